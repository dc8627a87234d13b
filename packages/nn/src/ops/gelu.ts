import { add, erf, mul, type Tensor, tidy } from "@tensorflow/tfjs-core";

/** The exact Gaussian error linear unit `x * (1 + erf(x / sqrt 2)) / 2`, as PyTorch's default; not the tanh approximation. */
export function gelu(x: Tensor): Tensor {
  return tidy(() => mul(mul(x, 0.5), add(erf(mul(x, Math.SQRT1_2)), 1)));
}
