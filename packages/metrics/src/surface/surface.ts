import type { Box } from "./box.js";
import { elementAreas } from "./element-areas.js";
import type { Size } from "./size.js";

/** The surface of one mask as points on a grid. */
export interface Surface {
  /** Size of the grid. */
  readonly size: Size;
  /** 1 at surface points, C order of `size`. */
  readonly flags: Uint8Array;
  /** Indices of the surface points, ascending. */
  readonly points: Int32Array;
  /** Area around each point in mm^2 (length in mm for two dimensions); absent where each point counts the same. */
  readonly areas?: Float64Array;
}

/** One class of a label map, within a box and with a margin of one voxel of background all around. */
function padded(labels: Uint8Array | Int32Array, value: number, image: Size, { low, size }: Box): Uint8Array {
  const [d, h, w] = size;
  const out = new Uint8Array((d + 2) * (h + 2) * (w + 2));
  for (let z = 0; z < d; z++)
    for (let y = 0; y < h; y++) {
      let from = ((z + low[0]) * image[1] + y + low[1]) * image[2] + low[2];
      let to = ((z + 1) * (h + 2) + y + 1) * (w + 2) + 1;
      for (let x = 0; x < w; x++, from++, to++) if (labels[from] === value) out[to] = 1;
    }
  return out;
}

function pointsOf(flags: Uint8Array, count: number): Int32Array {
  const points = new Int32Array(count);
  for (let i = 0, n = 0; n < count; i++) if (flags[i] === 1) points[n++] = i;
  return points;
}

/**
 * Surface voxels: foreground with a face neighbour that is background or outside the image, the mask minus its
 * face-connected erosion (medpy, MONAI).
 */
export function surfaceVoxels(
  labels: Uint8Array | Int32Array,
  value: number,
  image: Size,
  box: Box,
  flat: boolean,
): Surface {
  const [d, h, w] = box.size;
  const mask = padded(labels, value, image, box);
  const row = w + 2;
  const plane = (h + 2) * row;
  const flags = new Uint8Array(d * h * w);
  let count = 0;
  for (let z = 0, k = 0; z < d; z++)
    for (let y = 0; y < h; y++)
      for (let x = 0, i = (z + 1) * plane + (y + 1) * row + 1; x < w; x++, i++, k++) {
        if (mask[i] === 0) continue;
        let inner = mask[i - 1]! & mask[i + 1]! & mask[i - row]! & mask[i + row]!;
        if (!flat) inner &= mask[i - plane]! & mask[i + plane]!;
        flags[k] = 1 - inner;
        count += 1 - inner;
      }
  return { size: box.size, flags, points: pointsOf(flags, count) };
}

/**
 * Surface elements: corners between voxels (half a voxel before each and behind the last) where inside and outside
 * meet, each with the area of the surface around it (DeepMind's surface-distance).
 */
export function surfaceElements(
  labels: Uint8Array | Int32Array,
  value: number,
  image: Size,
  box: Box,
  spacing: readonly number[],
): Surface {
  const areaOf = elementAreas(spacing);
  const flat = spacing.length === 2;
  const full = areaOf.length - 1;
  const mask = padded(labels, value, image, box);
  const [h, w] = [box.size[1] + 1, box.size[2] + 1];
  const d = flat ? 1 : box.size[0] + 1;
  const row = w + 1;
  const plane = (h + 1) * row;
  const codes = new Uint8Array(d * h * w);
  const flags = new Uint8Array(codes.length);
  let count = 0;
  for (let z = flat ? 1 : 0, k = 0, n = 0; n < d; z++, n++)
    for (let y = 0; y < h; y++) {
      let before = 0;
      for (let x = 0, i = z * plane + y * row + 1; x < w; x++, i++, k++) {
        // The voxels on either side of the corner, the ones with a smaller width first.
        const next = flat
          ? (mask[i]! << 2) | mask[i + row]!
          : (mask[i]! << 6) | (mask[i + row]! << 4) | (mask[i + plane]! << 2) | mask[i + plane + row]!;
        const code = (before << 1) | next;
        before = next;
        if (code === 0 || code === full) continue;
        codes[k] = code;
        flags[k] = 1;
        count++;
      }
    }
  const points = pointsOf(flags, count);
  const areas = new Float64Array(count);
  for (let n = 0; n < count; n++) areas[n] = areaOf[codes[points[n]!]!]!;
  return { size: [d, h, w], flags, points, areas };
}
