import { addN, cast, div, greater, max, maximum, mul, type Scalar, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { prototypeAlignmentLoss } from "./prototype-alignment-loss.js";
import type { MaskedPrototypes } from "./region-prototypes.js";

/** Mean of the losses whose 0/1 flag is set; 0 with a zero gradient when none is. Nothing is read back. */
function flaggedMean(losses: readonly Scalar[], flags: readonly Tensor[]): Scalar {
  const counted = losses.map((loss, i) => mul(loss, flags[i]!));
  return div(addN(counted), maximum(addN([...flags]), 1)) as Scalar;
}

/** Mean over the scales that have a certain voxel. `losses` are 0 for an empty mask. */
export function meanOverCertainScales(losses: readonly Scalar[], masks: readonly Tensor[]): Scalar {
  return tidy(() =>
    flaggedMean(
      losses,
      masks.map((mask) => max(mask)),
    ),
  );
}

/**
 * {@link prototypeAlignmentLoss} averaged over the scales at which some class is valid on both sides; 0 when there is
 * none (DuCiSC, arXiv:2507.21440, equations 5 and 6).
 *
 * @param a - one set of prototypes per scale, from `maskedPrototypes`.
 */
export function multiScalePrototypeLoss(a: readonly MaskedPrototypes[], b: readonly MaskedPrototypes[]): Scalar {
  return tidy(() => {
    const losses = a.map((prototypes, i) => prototypeAlignmentLoss(prototypes, b[i]!));
    const flags = a.map(({ valid }, i) => cast(greater(max(mul(valid, b[i]!.valid)), 0), "float32"));
    return flaggedMean(losses, flags);
  });
}
