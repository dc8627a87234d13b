import { FUSED_GELU, FUSED_GELU_GRAD, RELU_GRAD } from "@semiseg/kernels";
import type { TensorInfo } from "@tensorflow/tfjs-core";
import { register, run } from "./operator.js";

/** GELU and its gradient. */
export function registerGelu(): void {
  register(FUSED_GELU, ({ inputs, backend }) => run(backend, "SemisegGelu", [inputs["x"]!], 1)[0]!);
  register(
    FUSED_GELU_GRAD,
    ({ inputs, backend }) => run(backend, "SemisegGeluGradient", [inputs["dy"]!, inputs["x"]!], 1)[0]!,
  );
}

/** Gradient of (leaky) ReLU. */
export function registerReluGradient(): void {
  register(RELU_GRAD, ({ inputs, attrs, backend }) => {
    const { dy, y } = inputs as Record<string, TensorInfo>;
    const floats = { slope: attrs?.["slope"] ?? 0 };
    return run(backend, "SemisegReluGradient", [dy!, y!], 1, { floats })[0]!;
  });
}
