import { product } from "./grid.js";

/** Gaussian weights up to four deviations, their sum 1. */
function kernelOf(sigma: number): Float64Array {
  const reach = Math.max(1, Math.ceil(4 * sigma));
  const weights = Float64Array.from({ length: 2 * reach + 1 }, (_, i) =>
    Math.exp(-((i - reach) ** 2) / (2 * sigma ** 2)),
  );
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((w) => w / sum);
}

/** Smooths `[...S, channels]` along every spatial axis; `sigma` in voxels, edges repeated. */
export function gaussianBlur(
  data: Float32Array,
  spatial: readonly number[],
  channels: number,
  sigma: number,
): Float32Array {
  const kernel = kernelOf(sigma);
  const reach = (kernel.length - 1) / 2;
  let current = data;
  for (const [axis, n] of spatial.entries()) {
    if (n === 1) continue;
    const outer = product(spatial.slice(0, axis));
    const inner = product(spatial.slice(axis + 1)) * channels;
    const out = new Float32Array(current.length);
    const line = n * inner;
    const padded = new Float32Array(line + 2 * reach * inner);
    for (let o = 0; o < outer; o++) {
      const values = current.subarray(o * line, (o + 1) * line);
      padded.set(values, reach * inner);
      for (let r = 0; r < reach; r++) {
        padded.set(values.subarray(0, inner), r * inner);
        padded.set(values.subarray(line - inner), (reach + r) * inner + line);
      }
      const to = o * line;
      for (let k = 0; k < kernel.length; k++) {
        const weight = kernel[k]!;
        const shift = k * inner;
        for (let v = 0; v < line; v++) out[to + v]! += weight * padded[shift + v]!;
      }
    }
    current = out;
  }
  return current;
}
