import { checkNumber, checkRank, OptionError, ShapeError } from "@semiseg/errors";
import {
  add,
  matMul,
  reshape,
  slice,
  type Tensor,
  type Tensor2D,
  tidy,
  transpose,
  type Variable,
  zeros,
} from "@tensorflow/tfjs-core";
import { type ApplyOptions, type Layer, moduleOf } from "../module.js";
import { scaledDotProductAttention } from "../ops/scaled-dot-product-attention.js";
import type { RandomStream } from "../random-stream.js";
import { checkRate, dropoutStream } from "./dropout.js";
import { ownVariable, uniformVariable } from "./initialize.js";
import { linear } from "./linear.js";

/** Options of {@link multiHeadAttention}. */
export interface MultiHeadAttentionOptions {
  readonly channels: number;
  /** Divides `channels`. */
  readonly heads: number;
  /** Rate of the dropout on attention weights while training. Default 0. */
  readonly dropout?: number;
  readonly random: RandomStream;
  /** Queries handled at a time; smaller is less memory. Default all. */
  readonly queryChunk?: number;
  /** In place of `queryChunk`: bytes that attention weights may take, in four tensors of them at a time. */
  readonly memoryBudget?: number;
}

/** Multi-head attention; see {@link multiHeadAttention}. */
export interface MultiHeadAttentionLayer extends Layer {
  /** `query` `[N, Tq, channels]` attends to `key` and `value` `[N, Tk, channels]` -> `[N, Tq, channels]`. */
  attend(args: { query: Tensor; key: Tensor; value?: Tensor }, options?: ApplyOptions): Tensor;
  readonly inProjection: { readonly weight: Variable; readonly bias: Variable };
}

/**
 * Multi-head attention, batch first; `apply` is self-attention on `[N, T, channels]`. Variables, layout and
 * initialisation of `torch.nn.MultiheadAttention`: `in_proj_weight` `[3 channels, channels]` (query, key, value),
 * `in_proj_bias`, `out_proj.weight`, `out_proj.bias`.
 */
export function multiHeadAttention(options: MultiHeadAttentionOptions): MultiHeadAttentionLayer {
  const { channels, heads, dropout = 0, random, queryChunk, memoryBudget } = options;
  checkNumber("multiHeadAttention", "channels", channels, { integer: true, min: 1 });
  checkNumber("multiHeadAttention", "heads", heads, { integer: true, min: 1 });
  checkRate("multiHeadAttention", dropout);
  if (memoryBudget !== undefined) checkNumber("multiHeadAttention", "memoryBudget", memoryBudget, { above: 0 });
  const chunkOf = (rows: number, keys: number): number | undefined =>
    queryChunk ??
    (memoryBudget === undefined ? undefined : Math.max(1, Math.floor(memoryBudget / (4 * 4 * rows * keys))));
  if (channels % heads !== 0)
    throw new OptionError(`multiHeadAttention: heads must divide the ${channels} channels, received ${heads}`);
  const width = channels / heads;
  // Xavier uniform over the joint matrix: fan-in + fan-out = 4 channels.
  const weight = uniformVariable([3 * channels, channels], Math.sqrt(6 / (4 * channels)), random);
  const bias = ownVariable(() => zeros([3 * channels]));
  const outProjection = linear({ inFeatures: channels, outFeatures: channels, random });
  outProjection.bias!.assign(zeros([channels]));

  /** `[N,T,channels]` through the `part`-th third of the input projection, as `[N * heads, T, width]`. */
  const project = (x: Tensor, part: number): Tensor => {
    const [n, t] = x.shape as [number, number];
    const w = slice(weight as unknown as Tensor2D, [part * channels, 0], [channels, channels]);
    const b = slice(bias, [part * channels], [channels]);
    const y = add(matMul(reshape(x, [-1, channels]) as Tensor2D, w, false, true), b);
    return reshape(transpose(reshape(y, [n, t, heads, width]), [0, 2, 1, 3]), [n * heads, t, width]);
  };

  const attend: MultiHeadAttentionLayer["attend"] = ({ query, key, value = key }, applyOptions) => {
    for (const [name, x] of Object.entries({ query, key, value })) {
      checkRank("multiHeadAttention", name, x, 3);
      if (x.shape[2] !== channels || x.shape[0] !== query.shape[0])
        throw new ShapeError(
          `multiHeadAttention: ${name} must have shape [${query.shape[0]}, T, ${channels}], received [${x.shape.join(", ")}]`,
        );
    }
    const training = applyOptions?.training === true && dropout > 0;
    return tidy(() => {
      const [n, t] = query.shape as [number, number];
      const chunk = chunkOf(n * heads, key.shape[1]!);
      const attended = scaledDotProductAttention({
        query: project(query, 0),
        key: project(key, 1),
        value: project(value, 2),
        ...(training ? { dropout, random: dropoutStream("multiHeadAttention", applyOptions) } : {}),
        ...(chunk === undefined ? {} : { queryChunk: chunk }),
      });
      const merged = reshape(transpose(reshape(attended, [n, heads, t, width]), [0, 2, 1, 3]), [n, t, channels]);
      return outProjection.apply(merged);
    });
  };

  return {
    ...moduleOf({ in_proj_weight: weight, in_proj_bias: bias, out_proj: outProjection }),
    inProjection: { weight, bias },
    attend,
    apply: (x, applyOptions) => attend({ query: x, key: x }, applyOptions),
  };
}
