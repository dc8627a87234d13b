import type { Size } from "./size.js";

/** Part of an image: the first voxel and the size. */
export interface Box {
  readonly low: Size;
  readonly size: Size;
}

/** Three sizes; an image of two has a depth of 1. */
export const sizeOf = (shape: readonly number[]): Size =>
  shape.length === 3 ? [shape[0]!, shape[1]!, shape[2]!] : [1, shape[0]!, shape[1]!];

/** Three spacings; an image of two has 1 along its depth. */
export const spacingOf = (spacing: readonly number[]): readonly number[] =>
  spacing.length === 3 ? spacing : [1, ...spacing];

/** The smallest box that holds every voxel that is not 0, or null when there is none. */
export function boundingBox(mask: Uint8Array, [d, h, w]: Size): Box | null {
  let [z0, y0, x0, z1, y1, x1] = [d, h, w, -1, -1, -1];
  for (let z = 0, row = 0; z < d; z++)
    for (let y = 0; y < h; y++, row += w) {
      let first = 0;
      while (first < w && mask[row + first] === 0) first++;
      if (first === w) continue;
      let last = w - 1;
      while (mask[row + last] === 0) last--;
      if (z < z0) z0 = z;
      z1 = z;
      if (y < y0) y0 = y;
      if (y > y1) y1 = y;
      if (first < x0) x0 = first;
      if (last > x1) x1 = last;
    }
  return z1 < 0 ? null : { low: [z0, y0, x0], size: [z1 - z0 + 1, y1 - y0 + 1, x1 - x0 + 1] };
}

/** The box with `margin` voxels more on every side, as far as the image goes. */
export function grown({ low, size }: Box, margin: number, image: Size): Box {
  const from = low.map((n) => Math.max(0, n - margin));
  const to = low.map((n, axis) => Math.min(image[axis]!, n + size[axis]! + margin));
  return {
    low: [from[0]!, from[1]!, from[2]!],
    size: [to[0]! - from[0]!, to[1]! - from[1]!, to[2]! - from[2]!],
  };
}
