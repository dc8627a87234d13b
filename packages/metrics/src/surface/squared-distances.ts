import { distancePass } from "./distance-kernel.js";
import { buildEnvelope, type Envelope, envelope, FAR } from "./lower-envelope.js";
import type { Size } from "./size.js";

/** Columns that are transposed at a time: one cache line of float64. */
const BLOCK = 8;

/**
 * Squared distances to the nearest seed (voxel with a flag), slice after slice from the last to the first. Exact and
 * linear in the number of voxels: along the first axis by two scans over whole slices, along the second by lower
 * envelopes; the third, contiguous in memory, is left to the caller, who may need a few voxels only.
 *
 * Needs two (for 65535 slices or more four) bytes per voxel and two slices of float64.
 *
 * @param slice - receives each slice's index and the squared distances within the plane of the first two axes, which
 *   hold until it returns.
 * @param wanted - slices to give; the others are passed over.
 */
export function eachSlice(
  seeds: Uint8Array,
  [d, h, w]: Size,
  spacing: readonly number[],
  wanted: (z: number) => boolean,
  slice: (z: number, squared: Float64Array) => void,
): void {
  const plane = h * w;
  const none = d < 65535 ? 65535 : 0x7fffffff;
  const before = d < 65535 ? new Uint16Array(d * plane) : new Int32Array(d * plane);
  countFromSeeds(seeds, before, plane, none);
  const after = new Int32Array(plane).fill(none);
  const depth = new Float64Array(plane);
  const squared = new Float64Array(plane);
  const square = new Float64Array(d);
  for (let k = 0; k < d; k++) square[k] = k * spacing[0]! * (k * spacing[0]!);
  const line = envelope(h, spacing[1]!);
  const columns = new Float64Array(BLOCK * h);
  for (let z = d - 1; z >= 0; z--) {
    nearestAlongDepth(seeds, before, after, depth, z * plane, square, none);
    if (!wanted(z)) continue;
    alongHeight(depth, squared, columns, line, h, w);
    slice(z, squared);
  }
}

/** How many slices back the last seed is. */
function countFromSeeds(seeds: Uint8Array, before: Uint16Array | Int32Array, plane: number, none: number): void {
  for (let i = 0; i < plane; i++) before[i] = seeds[i] === 1 ? 0 : none;
  for (let i = plane, back = 0; i < seeds.length; i++, back++) {
    const last = before[back]!;
    before[i] = seeds[i] === 1 ? 0 : last === none ? none : last + 1;
  }
}

/** Squared distance along the first axis in the slice that starts at `start`; counts the seeds ahead in `after`. */
function nearestAlongDepth(
  seeds: Uint8Array,
  before: Uint16Array | Int32Array,
  after: Int32Array,
  depth: Float64Array,
  start: number,
  square: Float64Array,
  none: number,
): void {
  for (let i = 0; i < after.length; i++) {
    const ahead = after[i]!;
    const next = seeds[start + i] === 1 ? 0 : ahead === none ? none : ahead + 1;
    after[i] = next;
    const back = before[start + i]!;
    const nearest = Math.min(next, back);
    depth[i] = nearest === none ? FAR : square[nearest]!;
  }
}

/** Minimum over rows j of `depth[j] + (spacing (y - j))^2`, for every column. */
function alongHeight(
  depth: Float64Array,
  squared: Float64Array,
  columns: Float64Array,
  line: Envelope,
  h: number,
  w: number,
): void {
  for (let x0 = 0; x0 < w; x0 += BLOCK) {
    const wide = Math.min(BLOCK, w - x0);
    for (let y = 0, row = x0; y < h; y++, row += w)
      for (let k = 0, at = y; k < wide; k++, at += h) columns[at] = depth[row + k]!;
    for (let k = 0, column = 0; k < wide; k++, column += h) alongColumn(columns, column, h, line);
    for (let y = 0, row = x0; y < h; y++, row += w)
      for (let k = 0, at = y; k < wide; k++, at += h) squared[row + k] = columns[at]!;
  }
}

/** One column, in place: between two seeds, whose distance is 0, it is on its own. */
function alongColumn(values: Float64Array, offset: number, n: number, line: Envelope): void {
  const { apex, border, height, spacing } = line;
  for (let y = 0; y < n; ) {
    if (values[offset + y] === 0) {
      y++;
      continue;
    }
    const first = y > 0 ? y - 1 : 0;
    let last = y;
    while (last < n - 1 && values[offset + last] !== 0) last++;
    const count = buildEnvelope(line, values, offset, first, last);
    for (let p = 0; p < count; p++) {
      const end = p + 1 < count ? border[p + 1]! : last;
      const at = apex[p]!;
      const base = height[p]!;
      for (; y <= end; y++) {
        const along = (y - at) * spacing;
        values[offset + y] = base + along * along;
      }
    }
    y = last + 1;
  }
}

/**
 * Distance of some voxels to the nearest seed.
 *
 * @param seeds - flags, C order of `size`; at least one is set.
 * @param voxels - indices, ascending.
 * @returns one distance per entry of `voxels`, in the unit of `spacing`.
 */
export function distancesAt(
  seeds: Uint8Array,
  size: Size,
  spacing: readonly number[],
  voxels: Int32Array,
): Float64Array {
  const [, h, w] = size;
  const plane = h * w;
  // Voxels of the current slice: from `first` up to `end`, exclusive.
  let first = voxels.length;
  let end = first;
  const wanted = (z: number): boolean => {
    end = first;
    while (first > 0 && voxels[first - 1]! >= z * plane) first--;
    return first < end;
  };
  const pass = distancePass(seeds, size, spacing, voxels);
  if (pass) {
    for (let z = size[0] - 1; z >= 0; z--) {
      const some = wanted(z);
      pass.slice(z, some);
      if (some) pass.points(z, first, end);
    }
    return pass.found.slice();
  }
  const out = new Float64Array(voxels.length);
  const line = envelope(w, spacing[2]!);
  eachSlice(seeds, size, spacing, wanted, (z, squared) =>
    alongWidth(line, squared, z * plane, w, voxels, first, end, out),
  );
  return out;
}

/** Distances of the voxels `first` to `end` of one slice, which starts at voxel `start`. */
function alongWidth(
  line: Envelope,
  squared: Float64Array,
  start: number,
  w: number,
  voxels: Int32Array,
  first: number,
  end: number,
  out: Float64Array,
): void {
  const { apex, border, height, spacing } = line;
  for (let q = first; q < end; ) {
    const row = Math.floor((voxels[q]! - start) / w) * w;
    const count = buildEnvelope(line, squared, row, 0, w - 1);
    const behind = start + row + w;
    for (let p = 0; q < end && voxels[q]! < behind; q++) {
      const x = voxels[q]! - start - row;
      while (p + 1 < count && border[p + 1]! < x) p++;
      const along = (x - apex[p]!) * spacing;
      out[q] = Math.sqrt(height[p]! + along * along);
    }
  }
}
