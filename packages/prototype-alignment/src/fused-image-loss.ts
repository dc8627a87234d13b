import { checkRank, checkSameShape, checkShape } from "@semiseg/errors";
import { softTargetLoss } from "@semiseg/losses";
import { withoutGradient } from "@semiseg/nn";
import {
  add,
  div,
  expandDims,
  log,
  maximum,
  mul,
  type Scalar,
  scalar,
  sum,
  type Tensor,
  tidy,
} from "@tensorflow/tfjs-core";
import { SMOOTH } from "./certain-pseudo-label-loss.js";

/** Arguments of {@link fusedImageLoss}. */
export interface FusedImageLossArguments {
  /** `[N, ...S, C]`. */
  readonly logits: Tensor;
  /** Soft one-hot `[N, ...S, C]`. */
  readonly target: Tensor;
  /** float32 0/1 `[N, ...S]`: the certain voxels. Default: all. */
  readonly mask?: Tensor;
}

/**
 * `0.5 (divergence + Dice)` of a fused image against its soft target over the certain voxels; 0 when there is none. Dice
 * with plain sums below is not minimal at the target itself (.1875 for targets 1, .25, .75, 0), so 0 is out of reach.
 *
 * @throws ShapeError when the shapes do not belong together.
 * @see DuCiSC, IEEE TMI 2025, arXiv:2507.21440, loss of fused images.
 */
export function fusedImageLoss(args: FusedImageLossArguments): Scalar {
  const { logits, target, mask } = args;
  checkRank("fusedImageLoss", "logits", logits, [3, 4, 5]);
  checkSameShape("fusedImageLoss", "target", target, "logits", logits);
  if (mask) checkShape("fusedImageLoss", "mask", mask, logits.shape.slice(0, -1));
  return tidy(() => {
    const classes = logits.shape.at(-1)!;
    const loss = softTargetLoss(target, logits, { mask, crossEntropyWeight: 0.5 / classes, smooth: SMOOTH });
    // The divergence is the cross-entropy less the target's own entropy, a constant.
    const constant = withoutGradient(() => {
      const own = mul(target, log(maximum(target, 1e-30)));
      const kept = mask ? mul(own, expandDims(mask, -1)) : own;
      const count = mask ? maximum(sum(mask), 1) : scalar(target.size / classes);
      return div(mul(sum(kept), 0.5 / classes), count);
    });
    return add(loss, constant) as Scalar;
  });
}
