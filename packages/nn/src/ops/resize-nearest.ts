import { clone, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { pick, separable, targetSize } from "./resize.js";
import type { PerAxis } from "./spatial.js";

const index = (i: number, out: number, input: number): number => Math.min(input - 1, Math.floor((i * input) / out));

/**
 * Nearest-neighbour resizing of `[N,...S,C]` to `size`: position i takes index floor(i * in / out) (PyTorch's `nearest`),
 * strided slicing for whole factors. Keeps the dtype; float32 is differentiable.
 */
export function resizeNearest(x: Tensor, size: PerAxis): Tensor {
  const target = targetSize("resizeNearest", x, size);
  if (target.every((n, i) => n === x.shape[i + 1])) return clone(x);
  const forward = (a: Tensor): Tensor =>
    target.reduce((y, n, i) => {
      const input = x.shape[i + 1]!;
      return n === input
        ? y
        : pick(
            y,
            i + 1,
            Int32Array.from({ length: n }, (_, k) => index(k, n, input)),
          );
    }, a);
  return tidy(() => {
    if (x.dtype !== "float32") return forward(x);
    const weights = (out: number, input: number): Float32Array => {
      const matrix = new Float32Array(out * input);
      for (let i = 0; i < out; i++) matrix[i * input + index(i, out, input)] = 1;
      return matrix;
    };
    return separable(x, target, weights, forward);
  });
}
