import { checkNumber, checkSameShape, OptionError } from "@semiseg/errors";
import { add, addN, div, log, mul, neg, sum, type Tensor, tidy } from "@tensorflow/tfjs-core";

/** Options of {@link predictiveEntropy}. */
export interface PredictiveEntropyOptions {
  /** Added inside the logarithm. Default 1e-6. */
  readonly epsilon?: number;
}

/** Sum in groups of seven: with its output that is the eight buffers that every WebGPU device takes at once. */
function sumOf(tensors: readonly Tensor[]): Tensor {
  if (tensors.length <= 7) return addN([...tensors]);
  const groups = Array.from({ length: Math.ceil(tensors.length / 7) }, (_, i) => tensors.slice(7 * i, 7 * i + 7));
  return sumOf(groups.map((group) => addN(group)));
}

/** The mean of several probability tensors of one shape. */
export function meanProbabilities(probsList: readonly Tensor[]): Tensor {
  if (probsList.length === 0) throw new OptionError("meanProbabilities: probsList must hold at least one tensor");
  for (const [i, probs] of probsList.entries())
    checkSameShape("meanProbabilities", `probsList[${i}]`, probs, "probsList[0]", probsList[0]!);
  return tidy(() => div(sumOf(probsList), probsList.length));
}

/**
 * Entropy of the mean prediction, `-sum_c pbar_c ln(pbar_c + epsilon)`, natural logarithm. The entropy of the mean, not
 * the mean of the entropies: disagreement between samples counts.
 *
 * @param probsList - softmax outputs `[N, ...S, C]`.
 * @returns `[N, ...S]`.
 * @see Yu et al., "Uncertainty-aware self-ensembling model" (UA-MT), MICCAI 2019, equation 2.
 */
export function predictiveEntropy(probsList: readonly Tensor[], options: PredictiveEntropyOptions = {}): Tensor {
  const { epsilon = 1e-6 } = options;
  checkNumber("predictiveEntropy", "epsilon", epsilon, { min: 0 });
  return tidy(() => {
    const mean = meanProbabilities(probsList);
    return neg(sum(mul(mean, log(add(mean, epsilon))), -1));
  });
}
