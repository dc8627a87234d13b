import { clone, type Tensor } from "@tensorflow/tfjs-core";
import { resized, targetSize } from "./resize.js";
import type { PerAxis } from "./spatial.js";

/** Options of {@link resizeLinear}. */
export interface ResizeLinearOptions {
  /** True: the first and last samples of both grids coincide; false (default): half-pixel centres. */
  readonly alignCorners?: boolean;
}

/** Interpolation weights `[out, in]` of one axis. */
export function linearWeights(out: number, input: number, alignCorners: boolean): Float32Array {
  const weights = new Float32Array(out * input);
  const ratio = alignCorners ? (out > 1 ? (input - 1) / (out - 1) : 0) : input / out;
  for (let i = 0; i < out; i++) {
    const position = alignCorners ? i * ratio : Math.max(0, (i + 0.5) * ratio - 0.5);
    const low = Math.min(Math.floor(position), input - 1);
    const high = Math.min(low + 1, input - 1);
    const share = position - low;
    weights[i * input + low]! += 1 - share;
    weights[i * input + high]! += share;
  }
  return weights;
}

/**
 * Bilinear (rank 4) or trilinear (rank 5) interpolation of `[N,...S,C]` to `size`, differentiable.
 * Equals PyTorch's `interpolate` with the same `align_corners`; shrinking does not average.
 */
export function resizeLinear(x: Tensor, size: PerAxis, { alignCorners = false }: ResizeLinearOptions = {}): Tensor {
  const target = targetSize("resizeLinear", x, size);
  if (target.every((n, i) => n === x.shape[i + 1])) return clone(x);
  return resized(x, target, alignCorners ? "aligned" : "linear", (out, input) =>
    linearWeights(out, input, alignCorners),
  );
}
