import { FUSED_GELU, FUSED_GELU_GRAD, hasKernel } from "@semiseg/kernels";
import { add, engine, erf, mul, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { withGradient } from "./with-gradient.js";

/** The exact Gaussian error linear unit `x * (1 + erf(x / sqrt 2)) / 2`, as PyTorch's default; not the tanh approximation. */
export function gelu(x: Tensor): Tensor {
  if (hasKernel(FUSED_GELU) && hasKernel(FUSED_GELU_GRAD))
    return withGradient([x], (_, save) => {
      save([x]);
      return {
        value: engine().runKernel(FUSED_GELU, { x }) as Tensor,
        gradFunc: (dy, saved) => [engine().runKernel(FUSED_GELU_GRAD, { dy, x: saved[0]! }) as Tensor],
      };
    });
  return tidy(() => mul(mul(x, 0.5), add(erf(mul(x, Math.SQRT1_2)), 1)));
}
