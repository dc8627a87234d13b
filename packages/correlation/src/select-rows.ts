import type { AgreeingVoxels } from "./agreeing-voxels.js";
import { highestRows } from "./highest-rows.js";
import { joinRows, rowsByClass } from "./rows-by-class.js";

/** Arguments of {@link selectRows}. */
export interface SelectRowsArguments extends AgreeingVoxels {
  /** First voxel of the unlabelled half. */
  readonly from: number;
  readonly numClasses: number;
  /** Rows per class at the most. */
  readonly limit: number;
  /** The heads see every agreeing voxel, not only those of the loss. */
  readonly parity: boolean;
}

/** Voxels of a batch, counted from its first one. */
export interface SelectedRows {
  /** Those of the loss: class after class, most confident first. Classes with fewer than two have none. */
  readonly chosen: Int32Array;
  /** Those that the heads see. */
  readonly seen: Int32Array;
  /** Where the chosen ones are among the seen ones; absent where the two are the same. */
  readonly places?: Int32Array;
}

/** The most confident unlabelled voxels on which two networks agree. */
export function selectRows(args: SelectRowsArguments): SelectedRows {
  const { classes, scores, from, numClasses, limit, parity } = args;
  const agreed = rowsByClass(classes.subarray(from), numClasses);
  const best = joinRows(highestRows(agreed, scores, limit).filter((rows) => rows.length >= 2));
  const shifted = (rows: Int32Array): Int32Array => rows.map((row) => row + from);
  if (!parity) return { chosen: shifted(best), seen: shifted(best) };
  const all = joinRows(agreed).sort();
  const at = new Int32Array(scores.length);
  all.forEach((row, i) => {
    at[row] = i;
  });
  return { chosen: shifted(best), seen: shifted(all), places: best.map((row) => at[row]!) };
}
