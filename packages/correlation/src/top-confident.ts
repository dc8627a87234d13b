import { checkNumber, checkRank, ShapeError } from "@semiseg/errors";
import type { Tensor } from "@tensorflow/tfjs-core";
import { rowsByClass } from "./rows-by-class.js";

/** Arguments of {@link topConfident}. */
export interface TopConfidentArguments {
  /** `[R]`. */
  readonly scores: Tensor;
  /** int32 `[R]`. */
  readonly labels: Tensor;
  readonly numClasses: number;
  /** Rows per class at the most. */
  readonly limit: number;
}

/** Rows of every class with the highest scores, best first, ties in the order of the rows (CAML, MICCAI 2023, section 2.3). */
export function topConfident(args: TopConfidentArguments): number[][] {
  const { scores, labels, numClasses, limit } = args;
  checkRank("topConfident", "scores", scores, 1);
  if (labels.shape.join() !== scores.shape.join())
    throw new ShapeError(
      `topConfident: labels must have shape [${scores.shape.join(", ")}], received [${labels.shape.join(", ")}]`,
    );
  checkNumber("topConfident", "numClasses", numClasses, { integer: true, min: 1 });
  checkNumber("topConfident", "limit", limit, { integer: true, min: 1 });
  const values = scores.dataSync();
  return rowsByClass(labels.dataSync(), numClasses).map((row) => {
    const best = row.length > limit ? highest(row, values, limit) : row;
    return best.sort((a, b) => values[b]! - values[a]! || a - b);
  });
}

/** The rows of the `limit` highest values, ties in order: a numeric sort of the values alone is far faster than one of rows. */
function highest(row: readonly number[], values: ArrayLike<number>, limit: number): number[] {
  const sorted = Float32Array.from(row, (i) => values[i]!).sort();
  const threshold = sorted[sorted.length - limit]!;
  const above = row.filter((i) => values[i]! > threshold);
  const tied = row.filter((i) => values[i]! === threshold).slice(0, limit - above.length);
  return [...above, ...tied];
}
