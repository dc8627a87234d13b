import { existsSync } from "node:fs";
import { join } from "node:path";
import { DataError } from "@semiseg/errors";
import type { CaseRef, Dataset, PreprocessOptions } from "../types.js";
import type { PancreasConfig } from "./dataset-config.js";
import { checkFolder, readList, resolveSplits } from "./dataset-files.js";

const LAYOUT =
  "train.list and test.list with the published Pancreas_h5/<name>_norm.h5, or images/<name>.nii.gz and labels/<name>.nii.gz";

function caseOf(path: string, id: string): CaseRef {
  for (const folder of ["Pancreas_h5", ""])
    for (const suffix of ["_norm.h5", ".h5"]) {
      const file = join(path, folder, id + suffix);
      if (existsSync(file)) return { id, image: `${file}#image`, label: `${file}#label` };
    }
  const image = join(path, "images", `${id}.nii.gz`);
  const label = [id, id.replace("image", "label")]
    .map((name) => join(path, "labels", `${name}.nii.gz`))
    .find(existsSync);
  if (existsSync(image) && label) return { id, image, label };
  throw new DataError(`data set 'pancreas': ${path} has no files for case ${id}; expected ${LAYOUT}`);
}

/**
 * The published h5 files are resampled to 1 mm, windowed, cropped and z-scored already. From NIfTI the published
 * protocol is window level 75, width 400, and a crop around the label with 25 voxels across the slices. That crop uses
 * the labels of cases that count as unlabelled, so it is off unless `protocol` is 'published'.
 */
export function openPancreas(config: PancreasConfig): Dataset {
  const { path, protocol = "fixed" } = config;
  checkFolder("pancreas", path, LAYOUT);
  if (!existsSync(join(path, "train.list")))
    throw new DataError(`data set 'pancreas': ${path} has no train.list; expected ${LAYOUT}`);
  const train = readList(join(path, "train.list"));
  const test = existsSync(join(path, "test.list")) ? readList(join(path, "test.list")) : [];
  const cases = [...train, ...test].map((id) => caseOf(path, id));
  const splits = resolveSplits(path, config.splits ?? { train, validation: [], test }, cases);
  const prepared = cases.every((c) => String(c.image).endsWith("#image"));
  const crop = protocol === "published" ? ({ crop: "label", cropMargin: [25, 25, 100_000] } as const) : {};
  const fromScan: PreprocessOptions = { spacing: [1, 1, 1], clip: [-125, 275], normalize: "zscore", ...crop };
  return {
    name: config.name ?? "pancreas-ct",
    kind: "pancreas",
    spatialDims: 3,
    channels: 1,
    classNames: ["background", "pancreas"],
    cases,
    ...(splits ? { splits } : {}),
    config: { ...config },
    preprocess: config.preprocess ?? (prepared ? { normalize: "none" } : fromScan),
  };
}
