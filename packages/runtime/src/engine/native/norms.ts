import { FUSED_LAYER_NORM, FUSED_LAYER_NORM_GRAD, FUSED_NORM, FUSED_NORM_GRAD } from "@semiseg/kernels";
import type { TensorInfo } from "@tensorflow/tfjs-core";
import { type Attrs, register, run } from "./operator.js";

/** A norm and its gradient; `fixed` goes before the attributes that callers give. */
function registerNorm(forward: string, gradient: string, fixed: Attrs): void {
  const options = (given: Attrs) => {
    const attrs = { ...given, ...fixed };
    return {
      ints: { groups: attrs["groups"] },
      floats: { epsilon: attrs["epsilon"] },
      bools: { relu: attrs["relu"] },
    };
  };
  register(forward, ({ inputs, attrs, backend }) => {
    const { x, gamma, beta } = inputs as Record<string, TensorInfo>;
    return run(backend, "SemisegNorm", [x!, gamma!, beta!], 3, options(attrs));
  });
  register(gradient, ({ inputs, attrs, backend }) => {
    const { dy, x, gamma, beta, mean, inverseStd } = inputs as Record<string, TensorInfo>;
    const all = [dy!, x!, gamma!, beta!, mean!, inverseStd!];
    return run(backend, "SemisegNormGradient", all, 3, options(attrs));
  });
}

/** Batch, group and instance norm, and their gradients. */
export const registerGroupNorms = (): void => registerNorm(FUSED_NORM, FUSED_NORM_GRAD, {});

/** Layer norm and its gradient: below 0 groups, every row of the last axis by itself. */
export const registerLayerNorm = (): void =>
  registerNorm(FUSED_LAYER_NORM, FUSED_LAYER_NORM_GRAD, { groups: -1, relu: false });
