import { checkNumber } from "@semiseg/errors";
import type { RandomStream } from "@semiseg/nn";
import { type Tensor, tensor } from "@tensorflow/tfjs-core";

const LEVELS = 0x10000;
/** Bounds in standard deviations up to which the quantile table below is exact to float32. */
const TABLE_BOUND = 3;
let table: Float32Array | undefined;

/** Standard normal quantiles at (i + 0.5) / 65536, by integrating dz/dp = sqrt(2 pi) exp(z^2 / 2) from the median. */
function quantiles(): Float32Array {
  if (table) return table;
  const half = LEVELS / 2;
  const out = new Float32Array(LEVELS);
  const slope = (z: number): number => Math.sqrt(2 * Math.PI) * Math.exp((z * z) / 2);
  const step = (z: number, h: number): number => {
    const a = slope(z);
    const b = slope(z + (h * a) / 2);
    const c = slope(z + (h * b) / 2);
    return z + (h * (a + 2 * b + 2 * c + slope(z + h * c))) / 6;
  };
  let z = step(0, 0.5 / LEVELS);
  for (let i = half; i < LEVELS; i++) {
    out[i] = z;
    out[LEVELS - 1 - i] = -z;
    // Beyond the bound everything is clipped, and the slope soon too steep for the step.
    if (z < TABLE_BOUND + 0.5) z = step(z, 1 / LEVELS);
  }
  table = out;
  return out;
}

/**
 * Independent `clip(std * N(0,1), -clip, clip)` of a shape. Up to a bound of 3 standard deviations they are quantiles of
 * 16 random bits each, which is several times as fast as exact normal numbers; beyond it, exact ones.
 */
export function clippedNoise(random: RandomStream, shape: readonly number[], std = 0.1, clip = 0.2): Tensor {
  checkNumber("clippedNoise", "std", std, { min: 0 });
  checkNumber("clippedNoise", "clip", clip, { min: 0 });
  const n = shape.reduce((a, b) => a * b, 1);
  if (clip > TABLE_BOUND * std) {
    const values = random.normals(n, std);
    for (let i = 0; i < n; i++) values[i] = Math.min(clip, Math.max(-clip, values[i]!));
    return tensor(values, [...shape]);
  }
  const levels = quantiles().map((z) => Math.min(clip, Math.max(-clip, std * z)));
  const values = new Float32Array(n);
  for (let i = 0; i < n; i += 2) {
    const bits = random.bits();
    values[i] = levels[bits & 0xffff]!;
    if (i + 1 < n) values[i + 1] = levels[bits >>> 16]!;
  }
  return tensor(values, [...shape]);
}
