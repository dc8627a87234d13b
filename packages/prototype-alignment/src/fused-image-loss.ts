import { diceLoss } from "@semiseg/losses";
import { add, mul, type Scalar, softmax, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { LINEAR_DICE } from "./certain-pseudo-label-loss.js";
import { softTargetDivergence } from "./soft-target-divergence.js";

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
  const masked = mask ? { mask } : {};
  return tidy(() => {
    const dice = diceLoss(target, softmax(logits), { ...LINEAR_DICE, ...masked });
    return mul(add(softTargetDivergence(target, logits, masked), dice), 0.5) as Scalar;
  });
}
