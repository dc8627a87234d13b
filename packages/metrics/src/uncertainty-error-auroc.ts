import { checkUncertainty, type UncertaintyArguments } from "./probability-input.js";
import { tiedGroups } from "./tied-groups.js";

/**
 * How well uncertainty finds errors: the chance that a wrong voxel is less sure than a right one, ties half (area under
 * the receiver operating characteristic). 1 is perfect, 0.5 is chance; NaN when all voxels are right or all are wrong.
 *
 * @throws ShapeError, OptionError or DataError naming the argument.
 */
export function uncertaintyErrorAuroc(args: UncertaintyArguments): number {
  checkUncertainty("uncertaintyErrorAuroc", args);
  const { yTrue, yPred, uncertainty } = args;
  let [wrong, right, wins] = [0, 0, 0];
  for (const { count, hits } of tiedGroups(uncertainty, (i) => yTrue[i] !== yPred[i])) {
    wins += hits * (right + (count - hits) / 2);
    wrong += hits;
    right += count - hits;
  }
  return wins / (wrong * right);
}
