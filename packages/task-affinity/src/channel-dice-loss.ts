import { checkChoice, checkNumber, checkRank, checkShape } from "@semiseg/errors";
import { diceCrossEntropyLoss, diceLoss, onehotOf } from "@semiseg/losses";
import { add, mean, mul, type Scalar, sigmoid, softplus, sub, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { type Activation, chosenActivation } from "./activate.js";

/** Options of {@link channelDiceLoss}. */
export interface ChannelDiceLossOptions {
  /** Default: `sigmoid` for two classes, else `softmax`. */
  readonly activation?: Activation;
  /** Of the cross-entropy beside the Dice losses; binary and averaged over channels with sigmoids. Default 0. */
  readonly crossEntropyWeight?: number;
}

/**
 * Dice losses of every channel, background included, added: `sum_k 1 - (2 sum s_k y_k + e) / (sum s_k^2 + sum y_k + e)`
 * with sums over batch and space and e = 1e-5.
 *
 * @param yTrue - labels int32 `[N, ...S]`.
 * @param logits - `[N, ...S, K]`.
 * @returns Scalar, differentiable in `logits`.
 * @throws ShapeError when the shapes do not belong together; OptionError for a bad option.
 * @see Chen et al. (TAC), IEEE TMI 2023, supervised loss.
 */
export function channelDiceLoss(yTrue: Tensor, logits: Tensor, options: ChannelDiceLossOptions = {}): Scalar {
  const { activation, crossEntropyWeight = 0 } = options;
  checkRank("channelDiceLoss", "logits", logits, [3, 4, 5]);
  checkShape("channelDiceLoss", "yTrue", yTrue, logits.shape.slice(0, -1));
  if (activation !== undefined) checkChoice("channelDiceLoss", "activation", activation, ["sigmoid", "softmax"]);
  checkNumber("channelDiceLoss", "crossEntropyWeight", crossEntropyWeight, { min: 0 });
  const classes = logits.shape.at(-1)!;
  if (chosenActivation(classes, activation) === "softmax")
    return diceCrossEntropyLoss(yTrue, logits, { crossEntropyWeight, diceWeight: classes, includeBackground: true });
  return tidy(() => {
    const onehot = onehotOf(yTrue, classes);
    const dice = diceLoss(onehot, sigmoid(logits), { includeBackground: true, reduction: "sum" });
    if (crossEntropyWeight === 0) return dice;
    const crossEntropy = mean(sub(softplus(logits), mul(logits, onehot)));
    return add(dice, mul(crossEntropy, crossEntropyWeight)) as Scalar;
  });
}
