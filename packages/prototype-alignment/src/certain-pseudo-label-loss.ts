import { checkRank, checkShape } from "@semiseg/errors";
import { onehotOf, softTargetLoss } from "@semiseg/losses";
import { type Scalar, type Tensor, tidy } from "@tensorflow/tfjs-core";

/** Added above and below the line of Dice. */
export const SMOOTH = 1e-8;

/** Dice with plain sums below, as DuCiSC and its ancestors have it. */
export const LINEAR_DICE = { squaredPred: false, smooth: SMOOTH } as const;

/** Arguments of {@link certainPseudoLabelLoss}. */
export interface CertainPseudoLabelArguments {
  /** `[N, ...S, C]`. */
  readonly logits: Tensor;
  /** int32 `[N, ...S]`. */
  readonly pseudoLabels: Tensor;
  /** float32 0/1 `[N, ...S]`: the certain voxels. */
  readonly mask: Tensor;
  /** Softmax of the logits, where it is at hand. */
  readonly probs?: Tensor;
}

/**
 * `0.5 (cross-entropy + Dice)` against pseudo-labels over the certain voxels; 0 when there is none. Dice has plain sums
 * below and averages the foreground classes.
 *
 * @throws ShapeError when the shapes do not belong together.
 * @see DuCiSC, IEEE TMI 2025, arXiv:2507.21440, loss of certain pseudo-labels.
 */
export function certainPseudoLabelLoss(args: CertainPseudoLabelArguments): Scalar {
  const { logits, pseudoLabels, mask, probs } = args;
  checkRank("certainPseudoLabelLoss", "logits", logits, [3, 4, 5]);
  checkShape("certainPseudoLabelLoss", "pseudoLabels", pseudoLabels, logits.shape.slice(0, -1));
  checkShape("certainPseudoLabelLoss", "mask", mask, logits.shape.slice(0, -1));
  return tidy(() => {
    const target = onehotOf(pseudoLabels, logits.shape.at(-1)!);
    return softTargetLoss(target, logits, { mask, probs, smooth: SMOOTH });
  });
}
