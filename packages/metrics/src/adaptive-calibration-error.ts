import { checkNumber } from "@semiseg/errors";
import { checkProbabilities, type ProbabilityPair } from "./probability-input.js";
import { tiedGroups } from "./tied-groups.js";

/** Arguments of {@link adaptiveCalibrationError}. */
export interface AdaptiveCalibrationArguments extends ProbabilityPair {
  /** Bins with the same number of voxels each. Default 15. */
  readonly bins?: number;
}

/**
 * Calibration error of one class over bins that hold the same number of voxels: the mean over bins of
 * |mean probability - frequency|. Where nearly all probabilities are close to 0 or 1, equally wide bins are nearly all
 * empty and these are not. Voxels of equal probability share their frequency, so their order does not matter.
 *
 * @throws ShapeError, OptionError or DataError naming the argument.
 * @see Nixon et al., "Measuring calibration in deep learning", CVPR Workshops 2019, equation 3.
 */
export function adaptiveCalibrationError(args: AdaptiveCalibrationArguments): number {
  const { yTrue, yPred, bins = 15 } = args;
  checkNumber("adaptiveCalibrationError", "bins", bins, { integer: true, min: 1 });
  checkProbabilities("adaptiveCalibrationError", args);
  const n = yTrue.length;
  const used = Math.min(bins, n);
  const gap = new Float64Array(used);
  let [bin, at] = [0, 0];
  for (const { score, count, hits } of tiedGroups(yPred, (i) => yTrue[i] === 1)) {
    for (let left = count; left > 0; ) {
      // A bin ends where its share of all voxels does; a voxel on the border counts in part on both sides.
      const end = ((bin + 1) * n) / used;
      const part = bin === used - 1 ? left : Math.min(left, end - at);
      gap[bin]! += part * (score - hits / count);
      at += part;
      left -= part;
      if (at >= end && bin < used - 1) bin++;
    }
  }
  return gap.reduce((sum, g) => sum + Math.abs(g), 0) / n;
}
