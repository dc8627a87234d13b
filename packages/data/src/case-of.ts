import { DataError } from "@semiseg/errors";
import type { CaseRef, Dataset } from "./types.js";

/** The case called `id`. */
export function caseOf(dataset: Dataset, id: string): CaseRef {
  const found = dataset.cases.find((c) => c.id === id);
  if (!found)
    throw new DataError(`data set '${dataset.name}' has no case ${id} (it has ${dataset.cases.length} cases)`);
  return found;
}
