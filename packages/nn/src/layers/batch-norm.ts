import { checkNumber, ShapeError } from "@semiseg/errors";
import {
  add,
  div,
  maximum,
  mul,
  ones,
  rsqrt,
  square,
  sub,
  type Tensor,
  tidy,
  type Variable,
  zeros,
} from "@tensorflow/tfjs-core";
import { type ApplyOptions, type Layer, moduleOf } from "../module.js";
import { normalize } from "../ops/normalize.js";
import { rectify } from "../ops/rectify.js";
import { checkChannelsLast } from "../ops/spatial.js";
import { ownVariable } from "./initialize.js";

/** Options of {@link batchNorm}. */
export interface BatchNormOptions {
  readonly channels: number;
  /** Default 1e-5. */
  readonly epsilon?: number;
  /** Weight of the new statistics in the running ones (PyTorch's sense). Default 0.1. */
  readonly momentum?: number;
  /** Apply ReLU to the result, in the same kernel where the engine can. Default false. */
  readonly relu?: boolean;
}

/** Options of a pass through {@link batchNorm}. */
export interface BatchNormApplyOptions extends ApplyOptions {
  /**
   * A per-channel bias `[C]` that belongs to `x` and was not added to it. Batch statistics cancel it, so a training pass
   * only adds it to the running mean; its gradient there is exactly 0.
   */
  readonly inputBias?: Tensor | undefined;
}

/** Batch normalisation; see {@link batchNorm}. */
export interface BatchNormLayer extends Layer {
  apply(x: Tensor, options?: BatchNormApplyOptions): Tensor;
  /** Outside training the layer is `scale * x + shift` per channel: these two, for folding into a convolution. */
  affine(inputBias?: Tensor): { readonly scale: Tensor; readonly shift: Tensor };
}

/**
 * Batch normalisation of `[N,...S,C]` over N and S. Variables `weight`, `bias`, and the buffers `running_mean`,
 * `running_var` (not trainable; the variance is the unbiased one, as in PyTorch).
 */
export function batchNorm(options: BatchNormOptions): BatchNormLayer {
  const { channels, epsilon = 1e-5, momentum = 0.1, relu = false } = options;
  checkNumber("batchNorm", "channels", channels, { integer: true, min: 1 });
  checkNumber("batchNorm", "epsilon", epsilon, { above: 0 });
  checkNumber("batchNorm", "momentum", momentum, { min: 0, max: 1 });
  const weight = ownVariable(() => ones([channels]));
  const bias = ownVariable(() => zeros([channels]));
  const runningMean = ownVariable(() => zeros([channels]), false);
  const runningVar = ownVariable(() => ones([channels]), false);

  const move = (buffer: Variable, value: Tensor): void =>
    buffer.assign(add(mul(buffer, 1 - momentum), mul(value, momentum)));

  const train = (x: Tensor, { inputBias, updateBuffers = true }: BatchNormApplyOptions): Tensor => {
    const count = x.size / channels;
    if (count < 2)
      throw new ShapeError(
        `batchNorm: a training pass needs more than one value per channel, received [${x.shape.join(", ")}]; use a larger batch or patch`,
      );
    return normalize(x, weight, bias, {
      epsilon,
      groups: 0,
      relu,
      inputBias,
      onStatistics: (mean, inverseStd) => {
        if (!updateBuffers) return;
        move(runningMean, inputBias ? add(mean, inputBias) : mean);
        const variance = maximum(sub(div(1, square(inverseStd)), epsilon), 0);
        move(runningVar, mul(variance, count / (count - 1)));
      },
    });
  };

  const affine = (inputBias?: Tensor) => {
    const scale = mul(weight, rsqrt(add(runningVar, epsilon)));
    return { scale, shift: add(bias, mul(sub(inputBias ?? 0, runningMean), scale)) };
  };

  return {
    ...moduleOf({ weight, bias, running_mean: runningMean, running_var: runningVar }),
    affine: (inputBias) => tidy(() => affine(inputBias)),
    apply: (x, applyOptions = {}) => {
      checkChannelsLast("batchNorm", x, x.rank - 2, channels);
      return tidy(() => {
        if (applyOptions.training) return train(x, applyOptions);
        const { scale, shift } = affine(applyOptions.inputBias);
        const y = add(mul(x, scale), shift);
        return relu ? rectify(y) : y;
      });
    },
  };
}
