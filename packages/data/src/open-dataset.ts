import { DataError, OptionError } from "@semiseg/errors";
import type { DatasetConfig } from "./datasets/dataset-config.js";
import { openAcdc } from "./datasets/open-acdc.js";
import { openAmos } from "./datasets/open-amos.js";
import { openBrats } from "./datasets/open-brats.js";
import { openFolder } from "./datasets/open-folder.js";
import { openLeftAtrium } from "./datasets/open-left-atrium.js";
import { openMsd } from "./datasets/open-msd.js";
import { openPancreas } from "./datasets/open-pancreas.js";
import { openPhantom } from "./datasets/open-phantom.js";
import type { Dataset } from "./types.js";

const KINDS = ["msd", "la", "pancreas", "acdc", "brats2019", "amos", "folder", "phantom"] as const;

/**
 * Opens a data set: lists its cases, classes and published splits. No volume is read and nothing is downloaded.
 *
 * The result is plain data, so it can be logged and sent to worker threads.
 *
 * @throws DataError when the folder has not the expected layout; OptionError for an unknown kind or option.
 */
export async function openDataset(config: DatasetConfig): Promise<Dataset> {
  const dataset = await open(config);
  const seen = new Set<string>();
  for (const { id } of dataset.cases) {
    if (seen.has(id)) throw new DataError(`data set '${dataset.name}': two cases are called ${id}`);
    seen.add(id);
  }
  return dataset;
}

function open(config: DatasetConfig): Dataset | Promise<Dataset> {
  switch (config?.kind) {
    case "msd":
      return openMsd(config);
    case "la":
      return openLeftAtrium(config);
    case "pancreas":
      return openPancreas(config);
    case "acdc":
      return openAcdc(config);
    case "brats2019":
      return openBrats(config);
    case "amos":
      return openAmos(config);
    case "folder":
      return openFolder(config);
    case "phantom":
      return openPhantom(config);
    default:
      throw new OptionError(
        `openDataset: kind must be one of ${KINDS.join(", ")}, received ${JSON.stringify((config as { kind?: unknown })?.kind)}`,
      );
  }
}
