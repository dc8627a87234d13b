import { checkNumber, DataError, ShapeError } from "@semiseg/errors";
import { checkGrid, checkMask, type Mask } from "./metric-input.js";

/** Arguments of {@link expectedCalibrationError}. */
export interface CalibrationArguments {
  /** 0 and 1. */
  readonly yTrue: Mask;
  /** Probability of the class, in [0, 1]. */
  readonly yPred: Mask;
  readonly shape: readonly number[];
  /** Equally wide bins. Default 15. */
  readonly bins?: number;
}

/**
 * Expected calibration error of one class: the mean over voxels of |mean probability - frequency| of their bin
 * (Guo et al., ICML 2017, equation 3).
 */
export function expectedCalibrationError(args: CalibrationArguments): number {
  const { yTrue, yPred, shape, bins = 15 } = args;
  checkGrid("expectedCalibrationError", shape);
  checkNumber("expectedCalibrationError", "bins", bins, { integer: true, min: 1 });
  checkMask("expectedCalibrationError", "yTrue", yTrue, shape);
  if (yPred?.length !== yTrue.length)
    throw new ShapeError(`expectedCalibrationError: yPred must have ${yTrue.length} values, received ${yPred?.length}`);
  const [sum, hits] = [new Float64Array(bins), new Float64Array(bins)];
  for (let i = 0; i < yTrue.length; i++) {
    const p = yPred[i]!;
    if (!(p >= 0 && p <= 1))
      throw new DataError(
        `expectedCalibrationError: yPred must hold probabilities in [0, 1], received ${String(p)} at index ${i}`,
      );
    const bin = Math.min(bins - 1, Math.floor(p * bins));
    sum[bin]! += p;
    hits[bin]! += yTrue[i]!;
  }
  return sum.reduce((total, p, bin) => total + Math.abs(p - hits[bin]!), 0) / yTrue.length;
}
