import { asThree, type GridValues, product, sameKind } from "./grid.js";

/**
 * The box of `size` voxels that begins at `start`; whatever lies outside the grid is `fill`. Crops, pads or both.
 *
 * @param data - `[...S, channels]`, C order, two or three spatial axes.
 */
export function cropPad<T extends GridValues>(
  data: T,
  spatial: readonly number[],
  channels: number,
  start: readonly number[],
  size: readonly number[],
  fill = 0,
): T {
  const out = sameKind(data, product(size) * channels);
  if (fill !== 0) out.fill(fill);
  const [, ny, nz] = asThree(spatial, 1);
  const n = asThree(spatial, 1);
  const at = asThree(start, 0);
  const [sx, sy, sz] = asThree(size, 1);
  const from = at.map((a) => Math.max(0, -a)) as [number, number, number];
  const to = [sx, sy, sz].map((s, a) => Math.min(s, n[a]! - at[a]!)) as [number, number, number];
  const run = (to[2] - from[2]) * channels;
  if (run <= 0) return out;
  for (let x = from[0]; x < to[0]; x++)
    for (let y = from[1]; y < to[1]; y++) {
      const source = (((x + at[0]) * ny + y + at[1]) * nz + from[2] + at[2]) * channels;
      out.set(data.subarray(source, source + run), ((x * sy + y) * sz + from[2]) * channels);
    }
  return out;
}
