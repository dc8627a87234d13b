import { checkNumber, checkShape, OptionError, ShapeError } from "@semiseg/errors";
import { diceCrossEntropyLoss, diceLoss } from "@semiseg/losses";
import { resizeLinear, stopGradient } from "@semiseg/nn";
import {
  addN,
  div,
  type Scalar,
  scalar,
  softmax,
  squaredDifference,
  sum,
  type Tensor,
  tidy,
} from "@tensorflow/tfjs-core";

/** Arguments of {@link iclLosses}. */
export interface IclLossesArguments {
  /** int32 `[N, ...S]` of the labelled half. */
  readonly labels: Tensor;
  /** Classes, background included. */
  readonly numClasses: number;
  /** Maps M^l of SSPA on the labelled half, logits `[N, ...s, K]`, one per scale. */
  readonly labeledProxyMaps: readonly Tensor[];
  /** Maps M^u of SSPA on the unlabelled half; targets, no gradient flows into them. Empty without unlabelled samples. */
  readonly unlabeledProxyMaps: readonly Tensor[];
  /** Maps G^u of USCL, one per scale. */
  readonly unlabeledConsistentMaps: readonly Tensor[];
  /** The decoder's logits on the unlabelled half; a target. */
  readonly unlabeledLogits: Tensor | null;
}

/** The three losses before their weights. */
export interface IclLosses {
  /** Supervision of the proxies' maps (L_spa). */
  readonly proxy: Scalar;
  /** Consistent maps against the decoder's own prediction (L_usc). */
  readonly unsupervised: Scalar;
  /** Consistent maps against the proxies' maps (L_con). */
  readonly consistency: Scalar;
}

/** Linear Dice against a soft target, mean over all classes (background included). */
const softDice = (target: Tensor, logits: Tensor): Scalar =>
  diceLoss(target, softmax(logits), { squaredPred: false, includeBackground: true });

/**
 * ICL's three losses on proxy maps, each averaged over scales: supervised cross-entropy + Dice of the labelled maps
 * (resized to the labels), linear Dice of the consistent maps with the decoder's prediction, mean squared difference of
 * the consistent maps with the proxies' maps at their own resolution.
 *
 * @throws ShapeError or OptionError when maps and labels do not belong together.
 * @see Zhu et al., "Inherent consistent learning" (ICL), MIDL 2023, PMLR 227.
 */
export function iclLosses(args: IclLossesArguments): IclLosses {
  const { labels, numClasses, labeledProxyMaps, unlabeledProxyMaps, unlabeledConsistentMaps, unlabeledLogits } = args;
  checkNumber("iclLosses", "numClasses", numClasses, { integer: true, min: 2 });
  if (labeledProxyMaps.length === 0) throw new OptionError("iclLosses: labeledProxyMaps must hold at least one scale");
  if (unlabeledProxyMaps.length !== unlabeledConsistentMaps.length)
    throw new ShapeError(
      `iclLosses: unlabeledProxyMaps and unlabeledConsistentMaps must have the same scales, received ${unlabeledProxyMaps.length} and ${unlabeledConsistentMaps.length}`,
    );
  const size = labels.shape.slice(1);
  for (const [i, map] of [...labeledProxyMaps, ...unlabeledConsistentMaps].entries())
    if (map.rank !== labels.rank + 1 || map.shape.at(-1) !== numClasses)
      throw new ShapeError(
        `iclLosses: maps must be logits [N, ...s, ${numClasses}], received [${map.shape.join(", ")}] (map ${i})`,
      );
  for (const [i, map] of unlabeledConsistentMaps.entries())
    checkShape("iclLosses", `unlabeledProxyMaps[${i}]`, unlabeledProxyMaps[i]!, map.shape);
  const { proxy, unsupervised, consistency } = tidy(() => {
    const average = (losses: Tensor[]): Scalar =>
      losses.length === 0 ? scalar(0) : (div(addN(losses), losses.length) as Scalar);
    const both = { crossEntropyWeight: 1, diceWeight: 1, includeBackground: true };
    const target = unlabeledLogits ? stopGradient(softmax(unlabeledLogits)) : null;
    return {
      proxy: average(labeledProxyMaps.map((map) => diceCrossEntropyLoss(labels, resizeLinear(map, size), both))),
      unsupervised: average(
        target ? unlabeledConsistentMaps.map((map) => softDice(target, resizeLinear(map, size))) : [],
      ),
      consistency: average(
        unlabeledConsistentMaps.map((map, i) => {
          const squares = squaredDifference(softmax(map), stopGradient(softmax(unlabeledProxyMaps[i]!)));
          return div(sum(squares), squares.size);
        }),
      ),
    };
  });
  return { proxy, unsupervised, consistency };
}
