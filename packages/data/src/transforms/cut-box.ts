import { asThree, type GridValues, product, sameKind } from "./grid.js";
import type { AxisMove } from "./move-axes.js";

/**
 * `moveAxes(cropPad(data, spatial, channels, start, size), size, channels, move)` in one pass over memory: the box of
 * `size` voxels at `start`, 0 outside the grid, its axes permuted and reversed.
 */
export function cutBox<T extends GridValues>(
  data: T,
  spatial: readonly number[],
  channels: number,
  start: readonly number[],
  size: readonly number[],
  move: AxisMove,
): T {
  const rank = spatial.length;
  const strides = new Array<number>(rank);
  let stride = channels;
  for (let a = rank - 1; a >= 0; a--) {
    strides[a] = stride;
    stride *= spatial[a]!;
  }
  // Per axis of the result: where in the source it begins, its step, and which of its positions are inside.
  const axes = move.permutation.map((p, a) => {
    const n = size[p]!;
    const [low, high] = [Math.max(0, -start[p]!), Math.min(n, spatial[p]! - start[p]!)];
    return move.flips[a]
      ? { n, from: (start[p]! + n - 1) * strides[p]!, step: -strides[p]!, low: n - high, high: n - low }
      : { n, from: start[p]! * strides[p]!, step: strides[p]!, low, high };
  });
  const single = { n: 1, from: 0, step: 0, low: 0, high: 1 };
  const [x, y, z] = asThree(axes, single);
  const out = sameKind(data, product(size) * channels);
  const run = z.high - z.low;
  if (run <= 0) return out;
  for (let i = x.low; i < x.high; i++)
    for (let j = y.low; j < y.high; j++) {
      const from = x.from + i * x.step + y.from + j * y.step + z.from + z.low * z.step;
      const to = ((i * y.n + j) * z.n + z.low) * channels;
      if (z.step === channels) out.set(data.subarray(from, from + run * channels), to);
      else if (data instanceof Float32Array) copyFloats(data, from, z.step, out as Float32Array, to, run, channels);
      else copyBytes(data as Uint8Array, from, z.step, out as Uint8Array, to, run, channels);
    }
  return out;
}

// The same loop twice: each meets one kind of array and runs twice as fast for it.

function copyFloats(
  data: Float32Array,
  from: number,
  step: number,
  out: Float32Array,
  to: number,
  run: number,
  channels: number,
): void {
  if (channels === 1) for (let k = 0; k < run; k++) out[to + k] = data[from + k * step]!;
  else
    for (let k = 0; k < run; k++)
      for (let c = 0; c < channels; c++) out[to + k * channels + c] = data[from + k * step + c]!;
}

function copyBytes(
  data: Uint8Array,
  from: number,
  step: number,
  out: Uint8Array,
  to: number,
  run: number,
  channels: number,
): void {
  if (channels === 1) for (let k = 0; k < run; k++) out[to + k] = data[from + k * step]!;
  else
    for (let k = 0; k < run; k++)
      for (let c = 0; c < channels; c++) out[to + k * channels + c] = data[from + k * step + c]!;
}
