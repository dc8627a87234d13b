import { ShapeError } from "@semiseg/errors";
import { cropPad } from "./transforms/crop-pad.js";
import { product } from "./transforms/grid.js";
import { inverseMove, moveAxes } from "./transforms/move-axes.js";
import { resample } from "./transforms/resample.js";
import type { PrepareRecord } from "./types.js";

/**
 * Takes classes on a prepared grid back to the file's grid: padding off, 0 where the crop cut, nearest neighbour, axes as
 * they were. Without resampling it undoes `prepareCase` exactly inside the crop.
 *
 * @param labels - classes of shape `prepared.imageShape` without channels.
 * @returns classes of shape `record.originalShape`.
 */
export function restoreLabels(labels: Uint8Array, record: PrepareRecord): Uint8Array {
  const { cropSize, cropStart, padBefore, padAfter, resampledShape, originalShape } = record;
  const padded = cropSize.map((n, a) => n + padBefore[a]! + padAfter[a]!);
  if (labels.length !== product(padded))
    throw new ShapeError(
      `restoreLabels: labels must have ${product(padded)} values ([${padded.join(", ")}]), received ${labels.length}`,
    );
  const cropped = cropPad(labels, padded, 1, padBefore, cropSize);
  const start = cropStart.map((s) => -s);
  const full = cropPad(cropped, cropSize, 1, start, resampledShape);
  const moved = record.permutation.map((p) => originalShape[p]!);
  const ratio = moved.map((_, a) => record.originalSpacing[record.permutation[a]!]! / record.resampledSpacing[a]!);
  const back = resample(full, resampledShape, 1, moved, ratio, "nearest");
  const out = moveAxes(back, moved, 1, inverseMove(record)).data;
  return out === labels ? out.slice() : out;
}
