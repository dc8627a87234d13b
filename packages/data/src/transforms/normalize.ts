import type { PreprocessOptions } from "../types.js";

/** Value at each percentile (0 to 100) with linear interpolation between ranks, as numpy's default. */
export function percentilesOf(values: Float32Array, percentiles: readonly number[]): number[] {
  if (values.length === 0) return percentiles.map(() => 0);
  const sorted = values.slice().sort();
  return percentiles.map((p) => {
    const rank = (p / 100) * (sorted.length - 1);
    const low = Math.floor(rank);
    const high = Math.min(low + 1, sorted.length - 1);
    return sorted[low]! + (rank - low) * (sorted[high]! - sorted[low]!);
  });
}

/** Clips and normalises `[...S, channels]` in place, each channel by its own statistics. A constant channel becomes 0. */
export function normalizeInPlace(data: Float32Array, channels: number, options: PreprocessOptions): void {
  const { normalize = "zscore", clip, percentiles, backgroundZero = true } = options;
  for (let c = 0; c < channels; c++) {
    if (clip) clampChannel(data, channels, c, clip[0], clip[1]);
    const nonzero = normalize === "zscore-nonzero";
    if (percentiles) {
      const [low, high] = percentilesOf(counted(data, channels, c, nonzero), percentiles) as [number, number];
      clampChannel(data, channels, c, low, high, nonzero);
    }
    if (normalize === "none") continue;
    let sum = 0;
    let n = 0;
    let min = Number.POSITIVE_INFINITY;
    let max = Number.NEGATIVE_INFINITY;
    for (let v = c; v < data.length; v += channels) {
      const x = data[v]!;
      if (nonzero && x === 0) continue;
      sum += x;
      n++;
      if (x < min) min = x;
      if (x > max) max = x;
    }
    const mean = n > 0 ? sum / n : 0;
    let squares = 0;
    for (let v = c; v < data.length; v += channels) if (!nonzero || data[v] !== 0) squares += (data[v]! - mean) ** 2;
    const deviation = n > 0 ? Math.sqrt(squares / n) : 0;
    const offset = normalize === "minmax" ? min : mean;
    const range = normalize === "minmax" ? max - min : deviation;
    // Float32 rounding leaves a tiny deviation in a constant image: it carries no information either.
    const scale = n > 0 && range > 1e-7 * Math.max(1, Math.abs(offset)) ? 1 / range : 0;
    for (let v = c; v < data.length; v += channels)
      if (!nonzero || !backgroundZero || data[v] !== 0) data[v] = (data[v]! - offset) * scale;
  }
}

/** One channel's values, or its non-zero ones. */
function counted(data: Float32Array, channels: number, channel: number, nonzero: boolean): Float32Array {
  const out = new Float32Array(data.length / channels);
  let n = 0;
  for (let v = channel; v < data.length; v += channels) if (!nonzero || data[v] !== 0) out[n++] = data[v]!;
  return out.subarray(0, n);
}

function clampChannel(
  data: Float32Array,
  channels: number,
  channel: number,
  low: number,
  high: number,
  nonzero = false,
) {
  for (let v = channel; v < data.length; v += channels) {
    const x = data[v]!;
    if (nonzero && x === 0) continue;
    if (x < low) data[v] = low;
    else if (x > high) data[v] = high;
  }
}
