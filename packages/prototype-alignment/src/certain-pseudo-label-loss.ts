import { crossEntropyLoss, diceLoss, onehotOf } from "@semiseg/losses";
import { add, mul, type Scalar, softmax, type Tensor, tidy } from "@tensorflow/tfjs-core";

/** Dice with plain sums below, as DuCiSC and its ancestors have it. */
export const LINEAR_DICE = { squaredPred: false, smooth: 1e-8 } as const;

/** Arguments of {@link certainPseudoLabelLoss}. */
export interface CertainPseudoLabelArguments {
  /** `[N, ...S, C]`. */
  readonly logits: Tensor;
  /** int32 `[N, ...S]`. */
  readonly pseudoLabels: Tensor;
  /** float32 0/1 `[N, ...S]`: the certain voxels. */
  readonly mask: Tensor;
}

/**
 * `0.5 (cross-entropy + Dice)` against pseudo-labels over the certain voxels; 0 when there is none. Dice has plain sums
 * below and averages the foreground classes.
 *
 * @throws ShapeError when the shapes do not belong together.
 * @see DuCiSC, IEEE TMI 2025, arXiv:2507.21440, loss of certain pseudo-labels.
 */
export function certainPseudoLabelLoss(args: CertainPseudoLabelArguments): Scalar {
  const { logits, pseudoLabels, mask } = args;
  return tidy(() => {
    const onehot = onehotOf(pseudoLabels, logits.shape.at(-1)!);
    const dice = diceLoss(onehot, softmax(logits), { ...LINEAR_DICE, mask });
    return mul(add(crossEntropyLoss(onehot, logits, { mask }), dice), 0.5) as Scalar;
  });
}
