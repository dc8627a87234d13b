import { checkProbabilities, type ProbabilityPair } from "./probability-input.js";

/**
 * Brier score of one class: the mean over voxels of `(p - y)^2`, in [0, 1]; 0 is perfect, 0.25 always answering 0.5.
 *
 * @throws ShapeError, OptionError or DataError naming the argument.
 * @see Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 1950.
 */
export function brierScore(args: ProbabilityPair): number {
  checkProbabilities("brierScore", args);
  const { yTrue, yPred } = args;
  let sum = 0;
  for (let i = 0; i < yTrue.length; i++) sum += (yPred[i]! - yTrue[i]!) ** 2;
  return sum / yTrue.length;
}
