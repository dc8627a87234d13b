import { checkRank, checkSameShape, checkShape } from "@semiseg/errors";
import { div, log, logSoftmax, maximum, mul, type Scalar, sub, sum, type Tensor, tidy } from "@tensorflow/tfjs-core";

/** Options of {@link softTargetDivergence}. */
export interface SoftTargetDivergenceOptions {
  /** float32 0/1 `[N, ...S]`; only voxels with 1 count. Default: all. */
  readonly mask?: Tensor;
}

/**
 * Kullback-Leibler divergence of soft targets, averaged over voxels and classes:
 *
 *   E = 1 / (C |K|) sum_{v in K} sum_c t_vc (ln t_vc - ln softmax(z_v)_c),   0 ln 0 = 0
 *
 * The mean over the C classes too is the published code's; the usual divergence per voxel is C times as large.
 *
 * @param yTrue - soft one-hot `[N, ...S, C]`.
 * @param logits - same shape.
 * @returns Scalar >= 0, 0 for an empty mask; differentiable in `logits`.
 * @throws ShapeError when the shapes do not belong together.
 * @see DuCiSC, IEEE TMI 2025, arXiv:2507.21440, loss of fused images.
 */
export function softTargetDivergence(yTrue: Tensor, logits: Tensor, options: SoftTargetDivergenceOptions = {}): Scalar {
  const { mask } = options;
  checkRank("softTargetDivergence", "logits", logits, [2, 3, 4, 5]);
  checkSameShape("softTargetDivergence", "yTrue", yTrue, "logits", logits);
  if (mask) checkShape("softTargetDivergence", "mask", mask, logits.shape.slice(0, -1));
  return tidy(() => {
    const classes = logits.shape.at(-1)!;
    const perVoxel = sum(mul(yTrue, sub(log(maximum(yTrue, 1e-30)), logSoftmax(logits))), -1);
    if (!mask) return div(sum(perVoxel), perVoxel.size * classes) as Scalar;
    return div(sum(mul(perVoxel, mask)), mul(maximum(sum(mask), 1), classes)) as Scalar;
  });
}
