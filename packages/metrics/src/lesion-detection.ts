import { checkNumber } from "@semiseg/errors";
import { type Connectivity, componentsOf, neighbourOrder } from "./components/connected-components.js";
import { checkPair, type MaskPair } from "./metric-input.js";

/** Arguments of {@link lesionDetection}. */
export interface LesionDetectionArguments extends MaskPair {
  /** What makes voxels one lesion. Default: all neighbours, 26 or 8. */
  readonly connectivity?: Connectivity;
  /**
   * Share of a true lesion that must be predicted for it to be found, and of a predicted one that must be true for it
   * not to be false. Default 0: one voxel is enough.
   */
  readonly minOverlap?: number;
}

/** Result of {@link lesionDetection}. */
export interface LesionDetection {
  readonly trueLesions: number;
  readonly predictedLesions: number;
  /** True lesions that are found. */
  readonly found: number;
  readonly missed: number;
  /** Predicted lesions that are none. */
  readonly falsePositives: number;
  /** `found / trueLesions`; NaN without true lesions. */
  readonly sensitivity: number;
  /** Share of predicted lesions that are some; NaN without predicted ones. */
  readonly precision: number;
  /** `2 found / (2 found + missed + falsePositives)`; 1 without any lesion. */
  readonly f1: number;
}

/**
 * Detection per lesion, a connected component of a mask: how many true ones the prediction finds, and how many of its
 * own are false. One predicted lesion may find several true ones and the other way round.
 *
 * @throws ShapeError, OptionError or DataError naming the argument.
 */
export function lesionDetection(args: LesionDetectionArguments): LesionDetection {
  checkPair("lesionDetection", args);
  const { yTrue, yPred, shape, minOverlap = 0 } = args;
  checkNumber("lesionDetection", "minOverlap", minOverlap, { min: 0, max: 1 });
  const order = neighbourOrder("lesionDetection", shape.length, args.connectivity);
  const matched = (mask: ArrayLike<number>, other: ArrayLike<number>): [count: number, matched: number] => {
    const { labels, count } = componentsOf(mask, 1, shape, order);
    const [size, covered] = [new Int32Array(count + 1), new Int32Array(count + 1)];
    for (let i = 0; i < labels.length; i++) {
      size[labels[i]!]!++;
      covered[labels[i]!]! += other[i]!;
    }
    let hits = 0;
    for (let l = 1; l <= count; l++) if (covered[l]! > 0 && covered[l]! >= minOverlap * size[l]!) hits++;
    return [count, hits];
  };
  const [trueLesions, found] = matched(yTrue, yPred);
  const [predictedLesions, right] = matched(yPred, yTrue);
  const [missed, falsePositives] = [trueLesions - found, predictedLesions - right];
  const all = 2 * found + missed + falsePositives;
  return {
    trueLesions,
    predictedLesions,
    found,
    missed,
    falsePositives,
    sensitivity: found / trueLesions,
    precision: right / predictedLesions,
    f1: all === 0 ? 1 : (2 * found) / all,
  };
}
