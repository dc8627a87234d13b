import { checkNumber, ShapeError } from "@semiseg/errors";
import { FUSED_LAYER_NORM, FUSED_LAYER_NORM_GRAD, hasKernel } from "@semiseg/kernels";
import { engine, ones, type Tensor, tidy, zeros } from "@tensorflow/tfjs-core";
import { type Layer, moduleOf } from "../module.js";
import { normalize } from "../ops/normalize.js";
import { inShape } from "../ops/spatial.js";
import { withGradient } from "../ops/with-gradient.js";
import { ownVariable } from "./initialize.js";

/** Options of {@link layerNorm}. */
export interface LayerNormOptions {
  readonly channels: number;
  /** Default 1e-5. */
  readonly epsilon?: number;
}

function fused(x: Tensor, weight: Tensor, bias: Tensor, epsilon: number): Tensor {
  return withGradient([x, weight, bias], (_, save) => {
    const inputs = { x, gamma: weight, beta: bias };
    const [y, mean, inverseStd] = engine().runKernel(FUSED_LAYER_NORM, inputs, { epsilon }) as Tensor[];
    save([x, weight, bias, mean!, inverseStd!]);
    return {
      value: y!,
      gradFunc: (dy, saved) => {
        const [x, gamma, beta, mean, inverseStd] = saved as [Tensor, Tensor, Tensor, Tensor, Tensor];
        const inputs = { dy, x, gamma, beta, mean, inverseStd };
        return engine().runKernel(FUSED_LAYER_NORM_GRAD, inputs, { epsilon }) as Tensor[];
      },
    };
  });
}

/** Layer normalisation over the last axis of `x` `[..., channels]`. Variables `weight`, `bias`. */
export function layerNorm({ channels, epsilon = 1e-5 }: LayerNormOptions): Layer {
  checkNumber("layerNorm", "channels", channels, { integer: true, min: 1 });
  checkNumber("layerNorm", "epsilon", epsilon, { above: 0 });
  const weight = ownVariable(() => ones([channels]));
  const bias = ownVariable(() => zeros([channels]));
  return {
    ...moduleOf({ weight, bias }),
    apply: (x: Tensor) => {
      if (x.shape.at(-1) !== channels)
        throw new ShapeError(`layerNorm: x must have shape [..., ${channels}], received [${x.shape.join(", ")}]`);
      if (x.size > 0 && hasKernel(FUSED_LAYER_NORM) && hasKernel(FUSED_LAYER_NORM_GRAD))
        return tidy(() => fused(x, weight, bias, epsilon));
      return tidy(() => {
        const rows = inShape(x, [x.size / channels, channels]);
        return inShape(normalize(rows, weight, bias, { epsilon, groups: 1, relu: false }), x.shape);
      });
    },
  };
}
