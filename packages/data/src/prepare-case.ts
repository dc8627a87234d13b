import { preparedFrom } from "./prepare-volume.js";
import { readCase } from "./read-case.js";
import type { Dataset, PreparedCase, PreprocessOptions } from "./types.js";

/** Reads and prepares one case; `options` default to the data set's published preprocessing. */
export async function prepareCase(dataset: Dataset, id: string, options?: PreprocessOptions): Promise<PreparedCase> {
  return preparedFrom(await readCase(dataset, id), options ?? dataset.preprocess ?? {}, true);
}
