import { checkNumber, ShapeError } from "@semiseg/errors";
import { FUSED_LINEAR, FUSED_LINEAR_GRAD, hasKernel } from "@semiseg/kernels";
import { add, engine, matMul, type Tensor, type Tensor2D, tidy, type Variable } from "@tensorflow/tfjs-core";
import { type Layer, moduleOf } from "../module.js";
import { inShape } from "../ops/spatial.js";
import { withGradient } from "../ops/with-gradient.js";
import type { RandomStream } from "../random-stream.js";
import { kernelVariable, uniformVariable } from "./initialize.js";

/** Options of {@link linear}. */
export interface LinearOptions {
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** Default true. */
  readonly bias?: boolean;
  readonly random: RandomStream;
}

function fused(x: Tensor, weight: Tensor, bias: Tensor | null): Tensor {
  return withGradient([x, weight, ...(bias ? [bias] : [])], (_, save) => {
    save([x, weight]);
    return {
      value: engine().runKernel(FUSED_LINEAR, { x, weight, ...(bias ? { bias } : {}) }) as Tensor,
      gradFunc: (dy, saved) => {
        const inputs = { dy, x: saved[0]!, weight: saved[1]! };
        const gradients = engine().runKernel(FUSED_LINEAR_GRAD, inputs) as Tensor[];
        return gradients.slice(0, bias ? 3 : 2);
      },
    };
  });
}

/** `x W^T + b` over the last axis of `x` `[..., in]`. Variables `weight` `[out, in]` (PyTorch's layout) and `bias` `[out]`. */
export function linear(options: LinearOptions): Layer & { readonly weight: Variable; readonly bias: Variable | null } {
  const { inFeatures, outFeatures, random } = options;
  checkNumber("linear", "inFeatures", inFeatures, { integer: true, min: 1 });
  checkNumber("linear", "outFeatures", outFeatures, { integer: true, min: 1 });
  const weight = kernelVariable([outFeatures, inFeatures], inFeatures, random);
  const bias = (options.bias ?? true) ? uniformVariable([outFeatures], 1 / Math.sqrt(inFeatures), random) : null;
  const apply = (x: Tensor): Tensor => {
    if (x.rank < 2 || x.shape.at(-1) !== inFeatures)
      throw new ShapeError(`linear: x must have shape [..., ${inFeatures}], received [${x.shape.join(", ")}]`);
    if (x.size > 0 && hasKernel(FUSED_LINEAR) && hasKernel(FUSED_LINEAR_GRAD))
      return tidy(() => fused(x, weight, bias));
    return tidy(() => {
      const rows = inShape(x, [x.size / inFeatures, inFeatures]) as Tensor2D;
      const y = matMul(rows, weight as unknown as Tensor2D, false, true);
      return inShape(bias ? add(y, bias) : y, [...x.shape.slice(0, -1), outFeatures]);
    });
  };
  return { ...moduleOf({ weight, bias: bias ?? undefined }), weight, bias, apply };
}
