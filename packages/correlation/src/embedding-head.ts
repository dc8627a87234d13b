import { batchNorm, type Layer, linear, moduleOf, type RandomStream } from "@semiseg/nn";
import { type Tensor, tidy } from "@tensorflow/tfjs-core";

/** Options of {@link embeddingHead}. */
export interface EmbeddingHeadOptions {
  readonly inFeatures: number;
  /** Width of the hidden layer and of the result. Default 32. */
  readonly outFeatures?: number;
  readonly random: RandomStream;
}

/**
 * A small network on rows `[R, inFeatures]` -> `[R, outFeatures]`: linear, batch norm, ReLU, linear; CAML's projection
 * and prediction heads. Variables `0.*`, `1.*`, `3.*`, as in a `torch.nn.Sequential` of the four.
 *
 * @throws ShapeError for rows of another width, and in training for fewer than two rows.
 * @see Gao et al. (CAML), MICCAI 2023, section 2.2.
 */
export function embeddingHead(options: EmbeddingHeadOptions): Layer {
  const { inFeatures, outFeatures = 32, random } = options;
  const first = linear({ inFeatures, outFeatures, random: random.fork("0") });
  const norm = batchNorm({ channels: outFeatures, relu: true });
  const last = linear({ inFeatures: outFeatures, outFeatures, random: random.fork("3") });
  return {
    ...moduleOf({ 0: first, 1: norm, 3: last }),
    apply: (x: Tensor, applyOptions) => tidy(() => last.apply(norm.apply(first.apply(x), applyOptions))),
  };
}
