import { checkNumber, checkRank, ShapeError } from "@semiseg/errors";
import type { Tensor } from "@tensorflow/tfjs-core";
import { highestRows } from "./highest-rows.js";
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
  const values = Float32Array.from(scores.dataSync());
  return highestRows(rowsByClass(labels.dataSync(), numClasses), values, limit).map((rows) => Array.from(rows));
}
