import { checkNumber } from "@semiseg/errors";
import {
  checkGrid,
  checkLabels,
  type DistanceOptions,
  distanceOptions,
  emptyDistance,
  type Mask,
} from "./metric-input.js";
import { diceOf, jaccardOf, relativeVolumeOf } from "./overlap.js";
import { precisionOf } from "./precision.js";
import { recallOf } from "./recall.js";
import { specificityOf } from "./specificity.js";
import { sizeOf } from "./surface/box.js";
import { classExtents } from "./surface/class-extents.js";
import { surfaceDistances } from "./surface-distances.js";
import { averageOf, hausdorffOf, surfaceDiceOf } from "./surface-measures.js";

/** One metric of one class of one case. */
export interface CaseRow {
  readonly class: number;
  readonly metric: string;
  readonly value: number;
  /** Empty for ratios; `mm`, `voxel`, `ml`, or `mm2` for the area error of a two-dimensional image. */
  readonly unit: string;
  readonly dialect: string;
  readonly empty: string;
  /** One of truth and prediction has this class and the other does not. */
  readonly missed: boolean;
}

/** Arguments of {@link evaluateCase}. */
export interface EvaluateCaseArguments extends DistanceOptions {
  /** Label maps, C order of `shape`, integers from 0 (background) to `numClasses - 1`. */
  readonly yTrue: Mask;
  readonly yPred: Mask;
  readonly shape: readonly number[];
  /** In mm; without it distances are in voxels. */
  readonly spacing?: readonly number[];
  readonly numClasses: number;
  /** Of the normalized surface Dice, in mm (voxels without `spacing`). Default 1. */
  readonly tolerance?: number;
}

/**
 * Dice, Jaccard, HD, HD95, ASD, ASSD, normalized surface Dice at a tolerance, relative volume difference, volume error,
 * precision, recall and specificity of every foreground class. Counts and boxes of all classes are found in one pass,
 * and distances are measured once a class, within its box. The `deepmind` dialect has one average surface distance, the
 * mean of both directions, under `asd` and `assd`.
 *
 * @returns one row per class and metric.
 * @throws ShapeError, OptionError or DataError naming the argument.
 */
export function evaluateCase(args: EvaluateCaseArguments): CaseRow[] {
  const { shape, numClasses, tolerance = 1 } = args;
  const spacing = checkGrid("evaluateCase", shape, args.spacing);
  checkNumber("evaluateCase", "numClasses", numClasses, { integer: true, min: 2 });
  const { dialect, empty } = distanceOptions("evaluateCase", args);
  checkNumber("evaluateCase", "tolerance", tolerance, { min: 0 });
  const yTrue = checkLabels("evaluateCase", "yTrue", args.yTrue, shape, numClasses);
  const yPred = checkLabels("evaluateCase", "yPred", args.yPred, shape, numClasses);
  const length = args.spacing ? "mm" : "voxel";
  const [volumeUnit, voxelVolume] = !args.spacing
    ? ["voxel", 1]
    : shape.length === 3
      ? ["ml", spacing.reduce((a, b) => a * b, 1) / 1000]
      : ["mm2", spacing[0]! * spacing[1]!];
  const extents = classExtents(yTrue, yPred, sizeOf(shape), numClasses);
  const rows: CaseRow[] = [];
  for (let c = 1; c < numClasses; c++) {
    const counts = extents[c]!;
    const { truth, prediction, box } = counts;
    const missed = (truth === 0) !== (prediction === 0);
    const d =
      box && truth > 0 && prediction > 0 ? surfaceDistances({ yTrue, yPred, shape, spacing }, c, box, dialect) : null;
    const none = d ? 0 : emptyDistance(empty, !missed, shape, spacing);
    const values: [metric: string, value: number, unit: string][] = [
      ["dice", diceOf(counts), ""],
      ["jaccard", jaccardOf(counts), ""],
      ["hd95", d ? hausdorffOf(d, 95, dialect) : none, length],
      ["asd", d ? averageOf(d, dialect === "deepmind") : none, length],
      ["hd", d ? hausdorffOf(d, 100, dialect) : none, length],
      ["assd", d ? averageOf(d, true) : none, length],
      [`nsd@${tolerance}${args.spacing ? "mm" : ""}`, d ? surfaceDiceOf(d, tolerance) : missed ? 0 : 1, ""],
      ["rvd", relativeVolumeOf(counts), ""],
      ["volume error", (prediction - truth) * voxelVolume, volumeUnit],
      ["precision", precisionOf(counts), ""],
      ["recall", recallOf(counts), ""],
      ["specificity", specificityOf(counts, yTrue.length), ""],
    ];
    for (const [metric, value, unit] of values) rows.push({ class: c, metric, value, unit, dialect, empty, missed });
  }
  return rows;
}
