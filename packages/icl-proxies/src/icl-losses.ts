import { checkNumber, checkShape, OptionError, ShapeError } from "@semiseg/errors";
import { type Scalar, scalar, type Tensor } from "@tensorflow/tfjs-core";
import { checkMaps, predictionConsistencyLoss, proxyConsistencyLoss, proxySupervisionLoss } from "./proxy-losses.js";

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
  checkMaps("iclLosses", [...labeledProxyMaps, ...unlabeledConsistentMaps], labels.rank + 1, numClasses);
  for (const [i, map] of unlabeledConsistentMaps.entries())
    checkShape("iclLosses", `unlabeledProxyMaps[${i}]`, unlabeledProxyMaps[i]!, map.shape);
  const none = unlabeledConsistentMaps.length === 0;
  return {
    proxy: proxySupervisionLoss(labels, labeledProxyMaps),
    unsupervised:
      none || !unlabeledLogits ? scalar(0) : predictionConsistencyLoss(unlabeledLogits, unlabeledConsistentMaps),
    consistency: none ? scalar(0) : proxyConsistencyLoss(unlabeledProxyMaps, unlabeledConsistentMaps),
  };
}
