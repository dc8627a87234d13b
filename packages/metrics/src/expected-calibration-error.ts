import { checkNumber } from "@semiseg/errors";
import { checkProbabilities, type ProbabilityPair } from "./probability-input.js";

/** Arguments of {@link expectedCalibrationError}. */
export interface CalibrationArguments extends ProbabilityPair {
  /** Equally wide bins. Default 15. */
  readonly bins?: number;
}

/**
 * Expected calibration error of one class: the mean over voxels of |mean probability - frequency| of their bin
 * (Guo et al., ICML 2017, equation 3).
 */
export function expectedCalibrationError(args: CalibrationArguments): number {
  const { yTrue, yPred, bins = 15 } = args;
  checkNumber("expectedCalibrationError", "bins", bins, { integer: true, min: 1 });
  checkProbabilities("expectedCalibrationError", args);
  const [sum, hits] = [new Float64Array(bins), new Float64Array(bins)];
  for (let i = 0; i < yTrue.length; i++) {
    const p = yPred[i]!;
    const bin = Math.min(bins - 1, Math.floor(p * bins));
    sum[bin]! += p;
    hits[bin]! += yTrue[i]!;
  }
  return sum.reduce((total, p, bin) => total + Math.abs(p - hits[bin]!), 0) / yTrue.length;
}
