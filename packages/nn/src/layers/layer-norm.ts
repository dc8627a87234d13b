import { checkNumber, ShapeError } from "@semiseg/errors";
import { ones, type Tensor, tidy, zeros } from "@tensorflow/tfjs-core";
import { type Layer, moduleOf } from "../module.js";
import { normalize } from "../ops/normalize.js";
import { inShape } from "../ops/spatial.js";
import { ownVariable } from "./initialize.js";

/** Options of {@link layerNorm}. */
export interface LayerNormOptions {
  readonly channels: number;
  /** Default 1e-5. */
  readonly epsilon?: number;
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
      return tidy(() => {
        const rows = inShape(x, [x.size / channels, channels]);
        return inShape(normalize(rows, weight, bias, { epsilon, groups: 1, relu: false }), x.shape);
      });
    },
  };
}
