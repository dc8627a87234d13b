import { existsSync } from "node:fs";
import { join } from "node:path";
import { DataError } from "@semiseg/errors";
import type { CaseRef, Dataset } from "../types.js";
import type { LeftAtriumConfig } from "./dataset-config.js";
import { checkFolder, readList, resolveSplits } from "./dataset-files.js";

const LAYOUT =
  "train.list and test.list with images/<name>.nii.gz and labels/<name>.nii.gz, or the published <name>/mri_norm2.h5";

/** Where a case's files are, in either layout. */
function caseOf(path: string, id: string): CaseRef {
  for (const extension of [".nii.gz", ".nii"]) {
    const image = join(path, "images", id + extension);
    if (existsSync(image)) return { id, image, label: join(path, "labels", id + extension) };
  }
  for (const folder of ["", "2018LA_Seg_Training Set", "data"]) {
    const file = join(path, folder, id, "mri_norm2.h5");
    if (existsSync(file)) return { id, image: `${file}#image`, label: `${file}#label` };
  }
  throw new DataError(`data set 'la': ${path} has no files for case ${id}; expected ${LAYOUT}`);
}

/**
 * The volumes are already cropped around the atrium and z-scored over the whole scan by their publishers, so nothing is
 * done to intensities. The published split has 80 training and 20 test cases and no validation part.
 */
export function openLeftAtrium(config: LeftAtriumConfig): Dataset {
  const { path } = config;
  checkFolder("la", path, LAYOUT);
  if (!existsSync(join(path, "train.list")))
    throw new DataError(`data set 'la': ${path} has no train.list; expected ${LAYOUT}`);
  const train = readList(join(path, "train.list"));
  const test = existsSync(join(path, "test.list")) ? readList(join(path, "test.list")) : [];
  const cases = [...train, ...test].map((id) => caseOf(path, id));
  const splits = resolveSplits(path, config.splits ?? { train, validation: [], test }, cases);
  return {
    name: config.name ?? "left-atrium",
    kind: "la",
    spatialDims: 3,
    channels: 1,
    classNames: ["background", "left atrium"],
    cases,
    ...(splits ? { splits } : {}),
    config: { ...config },
    preprocess: config.preprocess ?? { normalize: "none" },
  };
}
