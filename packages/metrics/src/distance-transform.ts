import { checkGrid, checkMask, type Mask } from "./metric-input.js";
import { boundingBox, grown, sizeOf, spacingOf } from "./surface/box.js";
import { distancePass } from "./surface/distance-kernel.js";
import { buildEnvelope, envelope } from "./surface/lower-envelope.js";
import type { Size } from "./surface/size.js";
import { eachSlice } from "./surface/squared-distances.js";

/** Options of {@link distanceTransform}. */
export interface DistanceTransformOptions {
  /** In mm, in the order of `shape`. Default 1 along every axis. */
  readonly spacing?: readonly number[];
}

/**
 * Writes the distance to the nearest voxel that is 0 into `out`, for every voxel that is not; the others stay as they
 * are. Infinity when no voxel is 0. Works on the bounding box of the mask only. The input is trusted.
 */
export function transformInto(out: Float32Array, mask: Uint8Array, image: Size, spacing: readonly number[]): void {
  const found = boundingBox(mask, image);
  if (!found) return;
  // Outside the box every voxel is 0; one of margin is enough to see it.
  const { low, size } = grown(found, 1, image);
  const [d, h, w] = size;
  const place = (z: number, y: number): number => ((z + low[0]) * image[1] + y + low[1]) * image[2] + low[2];
  const seeds = new Uint8Array(d * h * w);
  const filled = new Uint8Array(d);
  for (let z = 0, k = 0; z < d; z++)
    for (let y = 0; y < h; y++)
      for (let x = 0, i = place(z, y); x < w; x++) {
        if (mask[i++] === 0) seeds[k++] = 1;
        else {
          k++;
          filled[z] = 1;
        }
      }
  const pass = distancePass(seeds, size, spacing);
  if (pass) {
    for (let z = d - 1; z >= 0; z--) {
      const some = filled[z] === 1;
      pass.slice(z, some);
      if (!some) continue;
      const distances = pass.rows(z);
      for (let y = 0; y < h; y++) out.set(distances.subarray(y * w, (y + 1) * w), place(z, y));
    }
    return;
  }
  const line = envelope(w, spacing[2]!);
  eachSlice(
    seeds,
    size,
    spacing,
    (z) => filled[z] === 1,
    (z, squared) => {
      for (let y = 0, row = 0; y < h; y++, row += w)
        alongRow(out, place(z, y), seeds, (z * h + y) * w, squared, row, w, line);
    },
  );
}

/** Distances of one row, by the lower envelope along it. */
function alongRow(
  out: Float32Array,
  to: number,
  seeds: Uint8Array,
  from: number,
  squared: Float64Array,
  row: number,
  w: number,
  line: ReturnType<typeof envelope>,
): void {
  const { apex, border, height, spacing } = line;
  for (let x = 0; x < w; ) {
    if (seeds[from + x] === 1) {
      x++;
      continue;
    }
    // Between two seeds the row is on its own.
    const first = x > 0 ? x - 1 : 0;
    let last = x;
    while (last < w - 1 && seeds[from + last] === 0) last++;
    const count = buildEnvelope(line, squared, row, first, last);
    if (count === 0) out.fill(Number.POSITIVE_INFINITY, to + x, to + last + 1);
    for (let p = 0; p < count; p++) {
      const end = p + 1 < count ? border[p + 1]! : last;
      const at = apex[p]!;
      const base = height[p]!;
      for (; x <= end; x++) {
        const along = (x - at) * spacing;
        out[to + x] = Math.sqrt(base + along * along);
      }
    }
    x = last + 1;
  }
}

/**
 * Exact Euclidean distance of every non-zero voxel to the nearest zero voxel, 0 at zero voxels (scipy's
 * `distance_transform_edt`). Infinity everywhere when there is no zero voxel.
 *
 * @param mask - values 0 and 1, C order of `shape` (two or three sizes).
 * @returns in mm (voxels without `spacing`).
 * @throws ShapeError, OptionError or DataError for input that does not fit.
 */
export function distanceTransform(
  mask: Mask,
  shape: readonly number[],
  options: DistanceTransformOptions = {},
): Float32Array {
  const spacing = checkGrid("distanceTransform", shape, options.spacing);
  const bytes = checkMask("distanceTransform", "mask", mask, shape);
  const out = new Float32Array(bytes.length);
  transformInto(out, bytes, sizeOf(shape), spacingOf(spacing));
  return out;
}
