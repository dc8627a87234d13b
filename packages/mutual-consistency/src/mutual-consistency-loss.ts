import { checkNumber, checkSameShape } from "@semiseg/errors";
import { stopGradient } from "@semiseg/nn";
import {
  add,
  div,
  log,
  maximum,
  type Scalar,
  softmax,
  squaredDifference,
  sum,
  type Tensor,
  tidy,
} from "@tensorflow/tfjs-core";

/** Options of {@link sharpen}. */
export interface SharpenOptions {
  /** Default 0.1. */
  readonly temperature?: number;
}

/**
 * Sharpened probabilities, `p_c^(1/T) / sum_k p_k^(1/T)` over classes (MC-Net: Wu et al., MICCAI 2021, equation 1, which
 * for two classes is the same).
 *
 * @param probs - `[..., C]`.
 */
export function sharpen(probs: Tensor, options: SharpenOptions = {}): Tensor {
  const { temperature = 0.1 } = options;
  checkNumber("sharpen", "temperature", temperature, { above: 0 });
  // In logarithms: p^10 of small probabilities underflows.
  return tidy(() => softmax(div(log(maximum(probs, 1e-30)), temperature)));
}

/** Options of {@link mutualConsistencyLoss}. */
export interface MutualConsistencyOptions extends SharpenOptions {
  /** Keep gradients out of the sharpened targets. Default false, as the published code. */
  readonly detachTargets?: boolean;
}

/**
 * Each output is drawn to the other's sharpened one: `mean (p_A - s(p_B))^2 + mean (p_B - s(p_A))^2` over voxels and
 * classes.
 *
 * @see Gao et al. (CAML), MICCAI 2023, consistency loss; Wu et al. (MC-Net), MICCAI 2021, equation 2.
 */
export function mutualConsistencyLoss(probsA: Tensor, probsB: Tensor, options: MutualConsistencyOptions = {}): Scalar {
  const { detachTargets = false } = options;
  checkSameShape("mutualConsistencyLoss", "probsA", probsA, "probsB", probsB);
  return tidy(() => {
    const target = (p: Tensor): Tensor => {
      const sharp = sharpen(p, options);
      return detachTargets ? stopGradient(sharp) : sharp;
    };
    const distance = (p: Tensor, q: Tensor): Tensor => div(sum(squaredDifference(p, q)), p.size);
    return add(distance(probsA, target(probsB)), distance(probsB, target(probsA))) as Scalar;
  });
}
