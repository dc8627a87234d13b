import { checkChoice, checkNumber } from "@semiseg/errors";
import { add, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { type ApplyOptions, type Layer, moduleOf } from "../module.js";
import { gelu } from "../ops/gelu.js";
import { rectify } from "../ops/rectify.js";
import type { RandomStream } from "../random-stream.js";
import { dropout } from "./dropout.js";
import { layerNorm } from "./layer-norm.js";
import { linear } from "./linear.js";
import { multiHeadAttention } from "./multi-head-attention.js";

/** Options of {@link transformerEncoderLayer}. */
export interface TransformerEncoderLayerOptions {
  readonly channels: number;
  readonly heads: number;
  /** Width of the feed-forward part. Default 4 * channels. */
  readonly feedForward?: number;
  /** On attention weights, after attention, inside and after the feed-forward part. Default 0.1. */
  readonly dropout?: number;
  /** Default `relu`. */
  readonly activation?: "relu" | "gelu";
  readonly random: RandomStream;
  /** Queries handled at a time by the attention; smaller is less memory. Default all. */
  readonly queryChunk?: number;
  /** In place of `queryChunk`: bytes that attention weights may take, in four tensors of them at a time. */
  readonly memoryBudget?: number;
}

/**
 * A post-norm Transformer encoder layer on `[N, T, channels]`: y = LN(x + attention(x)), LN(y + feedForward(y)).
 * Variables as in `torch.nn.TransformerEncoderLayer(batch_first=True)`: `self_attn.*`, `linear1`, `linear2`, `norm1`,
 * `norm2`; `loadPyTorchStateDict` reads its state dict.
 */
export function transformerEncoderLayer(options: TransformerEncoderLayerOptions): Layer {
  const { channels, heads, feedForward = 4 * channels, dropout: rate = 0.1, activation = "relu", random } = options;
  checkNumber("transformerEncoderLayer", "feedForward", feedForward, { integer: true, min: 1 });
  checkChoice("transformerEncoderLayer", "activation", activation, ["relu", "gelu"]);
  const attention = multiHeadAttention({
    channels,
    heads,
    dropout: rate,
    random: random.fork("self_attn"),
    ...(options.queryChunk === undefined ? {} : { queryChunk: options.queryChunk }),
    ...(options.memoryBudget === undefined ? {} : { memoryBudget: options.memoryBudget }),
  });
  const linear1 = linear({ inFeatures: channels, outFeatures: feedForward, random: random.fork("linear1") });
  const linear2 = linear({ inFeatures: feedForward, outFeatures: channels, random: random.fork("linear2") });
  const [norm1, norm2] = [layerNorm({ channels }), layerNorm({ channels })];
  const drop = dropout({ rate });
  const act = activation === "relu" ? rectify : gelu;
  return {
    ...moduleOf({ self_attn: attention, linear1, linear2, norm1, norm2 }),
    apply: (x: Tensor, applyOptions?: ApplyOptions) =>
      tidy(() => {
        const y = norm1.apply(add(x, drop.apply(attention.apply(x, applyOptions), applyOptions)));
        const inner = drop.apply(act(linear1.apply(y)), applyOptions);
        return norm2.apply(add(y, drop.apply(linear2.apply(inner), applyOptions)));
      }),
  };
}
