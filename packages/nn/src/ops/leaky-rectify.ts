import { hasKernel, RELU_GRAD } from "@semiseg/kernels";
import { engine, leakyRelu, mul, step, type Tensor } from "@tensorflow/tfjs-core";
import { withGradient } from "./with-gradient.js";

/** x where x > 0, `slope` * x elsewhere (PyTorch's LeakyReLU). The gradient needs no `where`, which tfjs lacks at rank 5. */
export function leakyRectify(x: Tensor, slope = 0.01): Tensor {
  return withGradient([x], (_, save) => {
    const y = leakyRelu(x, slope);
    save([y]);
    return {
      value: y,
      gradFunc: (dy, saved) => [
        hasKernel(RELU_GRAD)
          ? (engine().runKernel(RELU_GRAD, { dy, y: saved[0]! }, { slope }) as Tensor)
          : mul(dy, step(saved[0]!, slope)),
      ],
    };
  });
}
