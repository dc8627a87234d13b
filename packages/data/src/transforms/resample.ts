import { type GridValues, product, sameKind } from "./grid.js";

/** Sizes after resampling: the extent in mm is kept to within half a voxel. */
export function resampledSize(
  spatial: readonly number[],
  from: readonly number[],
  to: readonly (number | null)[],
): number[] {
  return spatial.map((n, a) => Math.max(1, Math.round((n * from[a]!) / (to[a] ?? from[a]!))));
}

/**
 * Resamples `[...S, channels]` onto `size` voxels whose spacing is `ratio[a]` times the source's; both grids share their
 * centre. 'linear' interpolates axis by axis, 'nearest' takes the closest voxel (lower index on a tie); beyond the edge
 * the edge value counts. No smoothing is done before taking fewer voxels.
 */
export function resample<T extends GridValues>(
  data: T,
  spatial: readonly number[],
  channels: number,
  size: readonly number[],
  ratio: readonly number[],
  mode: "linear" | "nearest",
): T {
  let current = data;
  const shape = [...spatial];
  for (let axis = 0; axis < spatial.length; axis++) {
    const n = shape[axis]!;
    const m = size[axis]!;
    if (n === m && ratio[axis] === 1) continue;
    const outer = product(shape.slice(0, axis));
    const inner = product(shape.slice(axis + 1)) * channels;
    const out = sameKind(current, outer * m * inner);
    for (let i = 0; i < m; i++) {
      const exact = (n - 1) / 2 + (i - (m - 1) / 2) * ratio[axis]!;
      const x = Math.min(n - 1, Math.max(0, exact));
      const low = mode === "nearest" ? Math.ceil(x - 0.5) : Math.floor(x);
      const high = Math.min(low + 1, n - 1);
      const weight = mode === "nearest" ? 0 : x - low;
      for (let o = 0; o < outer; o++) {
        const to = (o * m + i) * inner;
        const a = (o * n + low) * inner;
        const b = (o * n + high) * inner;
        if (weight === 0) out.set(current.subarray(a, a + inner), to);
        else
          for (let v = 0; v < inner; v++) out[to + v] = current[a + v]! + weight * (current[b + v]! - current[a + v]!);
      }
    }
    current = out;
    shape[axis] = m;
  }
  return current;
}
