import { checkNumber, checkRank, checkShape } from "@semiseg/errors";
import { add, div, mul, type Scalar, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { diceFromSums, reduceClasses } from "./dice-loss.js";
import { segmentationSums } from "./segmentation-sums.js";

/** Options of {@link diceCrossEntropyLoss}. */
export interface DiceCrossEntropyLossOptions {
  /** Default 0.5. */
  readonly crossEntropyWeight?: number;
  /** Default 0.5. */
  readonly diceWeight?: number;
  /** Denominator of squares. Default true. */
  readonly squaredPred?: boolean;
  /** Default 1e-5. */
  readonly smooth?: number;
  /** Count class 0 in the Dice part. Default false. */
  readonly includeBackground?: boolean;
  /** Average the Dice part over the classes that `yTrue` holds. Default false. */
  readonly presentOnly?: boolean;
}

/**
 * `0.5 (cross-entropy + Dice)` of logits against hard labels, the supervised loss of most of the field: equal to
 * `crossEntropyLoss` and `diceLoss` of the softmax, in fewer passes over the voxels.
 *
 * @param yTrue - labels int32 `[N, ...S]`.
 * @param logits - `[N, ...S, C]`.
 * @returns Scalar, differentiable in `logits`.
 */
export function diceCrossEntropyLoss(yTrue: Tensor, logits: Tensor, options: DiceCrossEntropyLossOptions = {}): Scalar {
  const {
    crossEntropyWeight = 0.5,
    diceWeight = 0.5,
    squaredPred = true,
    smooth = 1e-5,
    includeBackground = false,
    presentOnly = false,
  } = options;
  checkRank("diceCrossEntropyLoss", "logits", logits, [3, 4, 5]);
  checkShape("diceCrossEntropyLoss", "yTrue", yTrue, logits.shape.slice(0, -1));
  for (const [name, value] of Object.entries({ crossEntropyWeight, diceWeight, smooth }))
    checkNumber("diceCrossEntropyLoss", name, value, { min: 0 });
  return tidy(() => {
    const { crossEntropy, intersection, squares, sums, counts } = segmentationSums(yTrue, logits);
    // Labels are 0 or 1: the sum of their squares is their count.
    const perClass = diceFromSums(intersection, squaredPred ? squares : sums, counts, smooth);
    const dice = reduceClasses(perClass, {
      includeBackground,
      reduction: "mean",
      present: presentOnly ? counts : undefined,
    });
    return add(mul(div(crossEntropy, yTrue.size), crossEntropyWeight), mul(dice, diceWeight)) as Scalar;
  });
}
