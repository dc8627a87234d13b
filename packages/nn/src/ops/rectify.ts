import { hasKernel, RELU_GRAD } from "@semiseg/kernels";
import { engine, relu, type Tensor } from "@tensorflow/tfjs-core";
import { withGradient } from "./with-gradient.js";

/** max(x, 0). Keeps its output rather than its input for the backward pass, and uses the engine's RELU_GRAD if it has it. */
export function rectify(x: Tensor): Tensor {
  if (!hasKernel(RELU_GRAD)) return relu(x);
  return withGradient([x], (_, save) => {
    const y = relu(x);
    save([y]);
    return {
      value: y,
      gradFunc: (dy, saved) => [engine().runKernel(RELU_GRAD, { dy, y: saved[0]! }) as Tensor],
    };
  });
}
