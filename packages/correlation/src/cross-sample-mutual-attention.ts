import { checkNumber, checkRank, ShapeError } from "@semiseg/errors";
import { type Layer, loadStateDict, moduleOf, RandomStream, transformerEncoderLayer } from "@semiseg/nn";
import { clone, reshape, type Tensor, tidy, transpose } from "@tensorflow/tfjs-core";

/** Options of {@link crossSampleMutualAttention}. */
export interface CrossSampleMutualAttentionOptions {
  /** Channels of the feature it is put on. */
  readonly channels: number;
  /** Divides `channels`. Default 4. */
  readonly heads?: number;
  /** Width of the feed-forward parts. Default 4 * channels. */
  readonly feedForward?: number;
  /** Default 0.5. */
  readonly dropout?: number;
  /** Only features of that many spatial axes are taken. Default: any. */
  readonly spatialDims?: 2 | 3;
  /** Where initial weights come from. */
  readonly random: RandomStream;
  /** Queries handled at a time inside a sample; smaller is less memory. Default all. */
  readonly queryChunk?: number;
  /** In place of `queryChunk`: bytes that attention weights may take, in four tensors of them at a time. */
  readonly memoryBudget?: number;
}

/** Cross-sample mutual attention; see {@link crossSampleMutualAttention}. */
export interface CrossSampleMutualAttention extends Layer {
  clone(): CrossSampleMutualAttention;
}

/**
 * Cross-sample mutual attention on `[N,...S,channels]`: a post-norm Transformer encoder layer over the voxels of each
 * sample, then one over the samples of the batch at each voxel position. No positional encoding. The identity outside
 * training, so a prediction never depends on what else is in a batch. Can be a hook of a backbone:
 * `vnet({ hooks: { x4: crossSampleMutualAttention({ channels: 128, random }) } })`.
 *
 * Attention weights inside samples take 4 bytes * N * heads * T^2 for T voxels, and about four such tensors live at a
 * time; `queryChunk` or `memoryBudget` bounds them. Between samples they take 4 * T * heads * N^2.
 *
 * @returns variables `intra.*` and `inter.*`, each as `torch.nn.TransformerEncoderLayer`'s.
 * @throws ShapeError for a feature of other rank or channels; OptionError for options out of range.
 * @see Gao et al., "Correlation-aware mutual learning" (CAML), MICCAI 2023, section 2.1.
 */
export function crossSampleMutualAttention(options: CrossSampleMutualAttentionOptions): CrossSampleMutualAttention {
  const where = "crossSampleMutualAttention";
  const { channels, heads = 4, feedForward, dropout = 0.5, spatialDims, random, queryChunk, memoryBudget } = options;
  checkNumber(where, "channels", channels, { integer: true, min: 1 });
  const common = { channels, heads, dropout, ...(feedForward === undefined ? {} : { feedForward }) };
  const intra = transformerEncoderLayer({
    ...common,
    random: random.fork("intra"),
    ...(queryChunk === undefined ? {} : { queryChunk }),
    ...(memoryBudget === undefined ? {} : { memoryBudget }),
  });
  const inter = transformerEncoderLayer({ ...common, random: random.fork("inter") });
  const module = moduleOf({ intra, inter });
  return {
    ...module,
    clone: () => {
      const copy = crossSampleMutualAttention({ ...options, random: new RandomStream(0) });
      loadStateDict(copy, module.named);
      return copy;
    },
    apply: (x: Tensor, applyOptions = {}) => {
      checkRank(where, "x", x, spatialDims === undefined ? [4, 5] : spatialDims + 2);
      if (x.shape.at(-1) !== channels)
        throw new ShapeError(
          `${where}: x must have ${channels} channels (last axis), received [${x.shape.join(", ")}]`,
        );
      if (!applyOptions.training) return clone(x);
      return tidy(() => {
        const samples = x.shape[0]!;
        const tokens = x.size / (samples * channels);
        const within = intra.apply(reshape(x, [samples, tokens, channels]), applyOptions);
        // Voxel positions become the batch, so that each attends over its few samples.
        const between = inter.apply(transpose(within, [1, 0, 2]), applyOptions);
        return reshape(transpose(between, [1, 0, 2]), x.shape);
      });
    },
  };
}
