import { checkNumber, DataError, ShapeError } from "@semiseg/errors";
import { averageOf, hausdorffOf } from "./distances.js";
import { checkGrid, type DistanceOptions, distanceOptions, emptyDistance, type Mask } from "./metric-input.js";
import { countsOf, diceOf, jaccardOf, relativeVolumeOf } from "./overlap.js";
import { precisionOf } from "./precision.js";
import { recallOf } from "./recall.js";
import { specificityOf } from "./specificity.js";
import { surfaceDistances } from "./surface-distances.js";

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
}

/**
 * Dice, Jaccard, HD, HD95, ASD, ASSD, relative volume difference, volume error, precision, recall and specificity of
 * every foreground class.
 *
 * @returns one row per class and metric.
 * @throws ShapeError, OptionError or DataError naming the argument.
 */
export function evaluateCase(args: EvaluateCaseArguments): CaseRow[] {
  const { yTrue, yPred, shape, numClasses } = args;
  const spacing = checkGrid("evaluateCase", shape, args.spacing);
  checkNumber("evaluateCase", "numClasses", numClasses, { integer: true, min: 2 });
  const { dialect, empty } = distanceOptions("evaluateCase", args);
  checkLabels("yTrue", yTrue, shape, numClasses);
  checkLabels("yPred", yPred, shape, numClasses);
  const length = args.spacing ? "mm" : "voxel";
  const [volumeUnit, voxelVolume] = !args.spacing
    ? ["voxel", 1]
    : shape.length === 3
      ? ["ml", spacing.reduce((a, b) => a * b, 1) / 1000]
      : ["mm2", spacing[0]! * spacing[1]!];
  const [truth, prediction] = [new Uint8Array(yTrue.length), new Uint8Array(yTrue.length)];
  const rows: CaseRow[] = [];
  for (let c = 1; c < numClasses; c++) {
    for (let i = 0; i < truth.length; i++) {
      truth[i] = yTrue[i] === c ? 1 : 0;
      prediction[i] = yPred[i] === c ? 1 : 0;
    }
    const counts = countsOf(truth, prediction);
    const missed = (counts.truth === 0) !== (counts.prediction === 0);
    const d = surfaceDistances(truth, prediction, shape, spacing);
    const none = d ? 0 : emptyDistance(empty, !missed, shape, spacing);
    const values: [metric: string, value: number, unit: string][] = [
      ["dice", diceOf(counts), ""],
      ["jaccard", jaccardOf(counts), ""],
      ["hd95", d ? hausdorffOf(d, 95, dialect) : none, length],
      ["asd", d ? averageOf(d, false) : none, length],
      ["hd", d ? hausdorffOf(d, 100, dialect) : none, length],
      ["assd", d ? averageOf(d, true) : none, length],
      ["rvd", relativeVolumeOf(counts), ""],
      ["volume error", (counts.prediction - counts.truth) * voxelVolume, volumeUnit],
      ["precision", precisionOf(counts), ""],
      ["recall", recallOf(counts), ""],
      ["specificity", specificityOf(counts, truth.length), ""],
    ];
    for (const [metric, value, unit] of values) rows.push({ class: c, metric, value, unit, dialect, empty, missed });
  }
  return rows;
}

function checkLabels(argument: string, labels: Mask, shape: readonly number[], numClasses: number): void {
  const size = shape.reduce((a, b) => a * b, 1);
  if (labels === null || typeof labels !== "object" || labels.length !== size)
    throw new ShapeError(
      `evaluateCase: ${argument} must have ${size} values for shape [${shape.join(", ")}], received ${labels?.length ?? String(labels)}`,
    );
  for (let i = 0; i < size; i++) {
    const v = labels[i]!;
    if (!(Number.isInteger(v) && v >= 0 && v < numClasses))
      throw new DataError(
        `evaluateCase: ${argument} must hold classes 0 to ${numClasses - 1}, received ${String(v)} at index ${i}`,
      );
  }
}
