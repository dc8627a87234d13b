import { checkNumber, OptionError } from "@semiseg/errors";
import { add, ones, type Tensor, tidy, zeros } from "@tensorflow/tfjs-core";
import { type ApplyOptions, type Layer, moduleOf } from "../module.js";
import { normalize } from "../ops/normalize.js";
import { checkChannelsLast } from "../ops/spatial.js";
import { ownVariable } from "./initialize.js";

/** Options of {@link groupNorm}. */
export interface GroupNormOptions {
  readonly channels: number;
  /** Number of groups of neighbouring channels that share statistics; divides `channels`. */
  readonly groups: number;
  /** Default 1e-5. */
  readonly epsilon?: number;
  /** Learned scale and shift per channel. Default true. */
  readonly affine?: boolean;
  /** Apply ReLU to the result, in the same kernel where the engine can. Default false. */
  readonly relu?: boolean;
}

/** Options of a pass through {@link groupNorm}. */
export interface GroupNormApplyOptions extends ApplyOptions {
  /** A per-channel bias `[C]` that belongs to `x` and was not added. With one channel a group it cancels: gradient exactly 0. */
  readonly inputBias?: Tensor | undefined;
}

/** Group normalisation; see {@link groupNorm}. */
export interface GroupNormLayer extends Layer {
  apply(x: Tensor, options?: GroupNormApplyOptions): Tensor;
}

/** Group normalisation of `[N,...S,C]`: statistics per sample and group, in training and outside. Variables `weight`, `bias`. */
export function groupNorm(options: GroupNormOptions): GroupNormLayer {
  const { channels, groups, epsilon = 1e-5, affine = true, relu = false } = options;
  checkNumber("groupNorm", "channels", channels, { integer: true, min: 1 });
  checkNumber("groupNorm", "groups", groups, { integer: true, min: 1 });
  checkNumber("groupNorm", "epsilon", epsilon, { above: 0 });
  if (channels % groups !== 0)
    throw new OptionError(`groupNorm: groups must divide the ${channels} channels, received ${groups}`);
  const weight = affine ? ownVariable(() => ones([channels])) : undefined;
  const bias = affine ? ownVariable(() => zeros([channels])) : undefined;
  return {
    ...moduleOf({ weight, bias }),
    apply: (x, { inputBias } = {}) => {
      checkChannelsLast("groupNorm", x, x.rank - 2, channels);
      return tidy(() => {
        const cancels = groups === channels;
        const input = inputBias && !cancels ? add(x, inputBias) : x;
        return normalize(input, weight ?? ones([channels]), bias ?? zeros([channels]), {
          epsilon,
          groups,
          relu,
          inputBias: cancels ? inputBias : undefined,
        });
      });
    },
  };
}
