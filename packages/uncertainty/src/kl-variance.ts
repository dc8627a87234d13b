import { checkNumber } from "@semiseg/errors";
import { add, addN, div, log, mul, sub, sum, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { meanProbabilities } from "./predictive-entropy.js";

/** Options of {@link klVariance}. */
export interface KlVarianceOptions {
  /** Added inside the logarithms. Default 1e-6. */
  readonly epsilon?: number;
}

/**
 * Disagreement of several predictions as the mean Kullback-Leibler divergence of their average from each,
 * `1/M sum_m sum_c pbar_c ln(pbar_c / p_mc)`: 0 where all agree. Differentiable.
 *
 * @param probsList - softmax outputs `[N, ...S, C]` of heads, decoders or passes.
 * @returns `[N, ...S]`, in nats.
 * @see Luo et al., "Efficient semi-supervised gross target volume segmentation via uncertainty rectified pyramid
 *   consistency" (URPC), MICCAI 2021, equation 3.
 */
export function klVariance(probsList: readonly Tensor[], options: KlVarianceOptions = {}): Tensor {
  const { epsilon = 1e-6 } = options;
  checkNumber("klVariance", "epsilon", epsilon, { above: 0 });
  return tidy(() => {
    const mean = meanProbabilities(probsList);
    const logMean = log(add(mean, epsilon));
    const divergences = probsList.map((probs) => sum(mul(mean, sub(logMean, log(add(probs, epsilon)))), -1));
    return div(addN(divergences), probsList.length);
  });
}
