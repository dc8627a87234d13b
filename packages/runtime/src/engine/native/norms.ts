import { FUSED_LAYER_NORM, FUSED_LAYER_NORM_GRAD, FUSED_NORM, FUSED_NORM_GRAD } from "@semiseg/kernels";
import type { TensorInfo } from "@tensorflow/tfjs-core";
import { type Attrs, register, run } from "./operator.js";

/** Batch, group, instance and layer norm, and their gradients. */
export function registerNorms(): void {
  const options = (attrs: Attrs) => ({
    ints: { groups: attrs["groups"] },
    floats: { epsilon: attrs["epsilon"] },
    bools: { relu: attrs["relu"] },
  });
  // Layer norm: below 0 groups, every row of the last axis by itself.
  for (const [forward, gradient, fixed] of [
    [FUSED_NORM, FUSED_NORM_GRAD, {}],
    [FUSED_LAYER_NORM, FUSED_LAYER_NORM_GRAD, { groups: -1, relu: false }],
  ] as const) {
    register(forward, ({ inputs, attrs, backend }) => {
      const { x, gamma, beta } = inputs as Record<string, TensorInfo>;
      return run(backend, "SemisegNorm", [x!, gamma!, beta!], 3, options({ ...attrs, ...fixed }));
    });
    register(gradient, ({ inputs, attrs, backend }) => {
      const { dy, x, gamma, beta, mean, inverseStd } = inputs as Record<string, TensorInfo>;
      const all = [dy!, x!, gamma!, beta!, mean!, inverseStd!];
      return run(backend, "SemisegNormGradient", all, 3, options({ ...attrs, ...fixed }));
    });
  }
}
