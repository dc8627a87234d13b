import { caseOf } from "./case-of.js";
import type { Dataset } from "./types.js";

/** The data set with these cases only and without its splits: what a trainer is given, so that it cannot see the rest. */
export function restrictDataset(dataset: Dataset, ids: readonly string[]): Dataset {
  const { splits: _, ...rest } = dataset;
  return { ...rest, cases: ids.map((id) => caseOf(dataset, id)) };
}
