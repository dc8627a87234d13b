import { checkRank, checkSameShape, checkShape } from "@semiseg/errors";
import { div, logSoftmax, maximum, mul, neg, type Scalar, sum, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { onehotOf } from "./onehot.js";

/** Options of {@link crossEntropyLoss}. */
export interface CrossEntropyLossOptions {
  /** float32 0/1 `[N, ...S]`; only voxels with 1 count. Default: all. */
  readonly mask?: Tensor;
}

/**
 * Softmax cross-entropy, averaged over voxels: `-mean_v sum_c y_vc ln softmax(z_v)_c`.
 *
 * @param yTrue - labels int32 `[N, ...S]` or onehot (possibly soft) `[N, ...S, C]`.
 * @param logits - `[N, ...S, C]`.
 * @returns Scalar; 0 when the mask is empty. Differentiable in `logits`.
 * @throws ShapeError when the shapes do not belong together.
 */
export function crossEntropyLoss(yTrue: Tensor, logits: Tensor, options: CrossEntropyLossOptions = {}): Scalar {
  const { mask } = options;
  checkRank("crossEntropyLoss", "logits", logits, [2, 3, 4, 5]);
  if (yTrue.rank === logits.rank) checkSameShape("crossEntropyLoss", "yTrue", yTrue, "logits", logits);
  else checkShape("crossEntropyLoss", "yTrue", yTrue, logits.shape.slice(0, -1));
  if (mask) checkShape("crossEntropyLoss", "mask", mask, logits.shape.slice(0, -1));
  return tidy(() => {
    const classes = logits.shape.at(-1)!;
    const target = yTrue.rank === logits.rank ? yTrue : onehotOf(yTrue, classes);
    const perVoxel = neg(sum(mul(target, logSoftmax(logits)), -1));
    if (!mask) return div(sum(perVoxel), perVoxel.size) as Scalar;
    // max(count, 1): an empty mask gives 0 with a zero gradient.
    return div(sum(mul(perVoxel, mask)), maximum(sum(mask), 1)) as Scalar;
  });
}
