import { mul, type Tensor } from "@tensorflow/tfjs-core";
import { withoutGradient } from "../without-gradient.js";

/** A float32 copy in memory of its own. `clone` shares memory, which in-place optimizer kernels would write through. */
export function copyTensor(x: Tensor): Tensor {
  // Times 1 rather than plus 0 keeps negative zeros.
  return withoutGradient(() => mul(x, 1));
}
