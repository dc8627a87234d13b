import { checkNumber, ShapeError } from "@semiseg/errors";
import { cropPad } from "./transforms/crop-pad.js";
import { product } from "./transforms/grid.js";
import { inverseMove, moveAxes } from "./transforms/move-axes.js";
import { resample } from "./transforms/resample.js";
import type { PrepareRecord } from "./types.js";

/**
 * Takes class probabilities on a prepared grid back to the file's grid and decides there: padding off, background where
 * the crop cut, linear interpolation at the original spacing, then the largest (ties to the lower class), axes as they
 * were. After resampling this gives smoother and more exact outlines than deciding first (`restoreLabels`).
 *
 * @param probabilities - values of shape `[...S, numClasses]`, S being `prepared.imageShape` without channels.
 * @returns classes of shape `record.originalShape`.
 */
export function restoreClasses(probabilities: Float32Array, numClasses: number, record: PrepareRecord): Uint8Array {
  checkNumber("restoreClasses", "numClasses", numClasses, { integer: true, min: 2, max: 256 });
  const { cropSize, cropStart, padBefore, padAfter, resampledShape, originalShape } = record;
  const padded = cropSize.map((n, a) => n + padBefore[a]! + padAfter[a]!);
  if (probabilities.length !== product(padded) * numClasses)
    throw new ShapeError(
      `restoreClasses: probabilities must have ${product(padded) * numClasses} values ([${padded.join(", ")}, ${numClasses}]), received ${probabilities.length}`,
    );
  const cropped = cropPad(probabilities, padded, numClasses, padBefore, cropSize);
  const start = cropStart.map((s) => -s);
  // Outside the crop nothing was predicted: all classes at 0 there, and the tie goes to the background.
  const full = cropPad(cropped, cropSize, numClasses, start, resampledShape);
  const moved = record.permutation.map((p) => originalShape[p]!);
  const ratio = moved.map((_, a) => record.originalSpacing[record.permutation[a]!]! / record.resampledSpacing[a]!);
  const back = resample(full, resampledShape, numClasses, moved, ratio, "linear");
  const labels = new Uint8Array(product(moved));
  for (let v = 0, at = 0; v < labels.length; v++, at += numClasses) {
    let best = 0;
    for (let c = 1; c < numClasses; c++) if (back[at + c]! > back[at + best]!) best = c;
    labels[v] = best;
  }
  return moveAxes(labels, moved, 1, inverseMove(record)).data;
}
