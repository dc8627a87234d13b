import { existsSync } from "node:fs";
import { join } from "node:path";
import { checkChoice, DataError } from "@semiseg/errors";
import type { CaseRef, Dataset, PreprocessOptions, Splits } from "../types.js";
import type { BratsConfig } from "./dataset-config.js";
import { caseIdOf, checkFolder, listFiles, readList, resolveSplits } from "./dataset-files.js";

const LAYOUT =
  "the challenge's <case>/<case>_flair.nii.gz, _t1, _t1ce, _t2 and _seg, or SSL4MIS's train.txt, val.txt and test.txt with data/<case>.h5";

/** Label values 1 (core), 2 (edema) and 4 (enhancing) by what is segmented. */
const TARGETS = {
  whole: { classNames: ["background", "whole tumour"], labelValues: [0, [1, 2, 4]] },
  parts: { classNames: ["background", "necrotic core", "edema", "enhancing tumour"], labelValues: [0, 1, 2, 4] },
} as const;

/**
 * Published semi-supervised protocol: FLAIR alone, the whole tumour as one class, crop to the non-zero box, clip at the
 * 99.9th percentile, z-score by the non-zero voxels with the background moved along. The published crop loses the last
 * plane per axis; this one keeps it. The published h5 files have gone through it.
 */
export function openBrats(config: BratsConfig): Dataset {
  const { path, modalities = ["flair"], target = "whole" } = config;
  checkChoice("data set 'brats2019'", "target", target, ["whole", "parts"]);
  for (const m of modalities) checkChoice("data set 'brats2019'", "modalities", m, ["flair", "t1", "t1ce", "t2"]);
  checkFolder("brats2019", path, LAYOUT);
  let cases: CaseRef[];
  let listed: Splits | undefined;
  const prepared = existsSync(join(path, "train.txt"));
  if (prepared) {
    const list = (file: string) =>
      existsSync(join(path, file)) ? readList(join(path, file)).map((l) => caseIdOf(l.split(",")[0]!)) : [];
    listed = { train: list("train.txt"), validation: list("val.txt"), test: list("test.txt") };
    cases = [...listed.train, ...listed.validation, ...listed.test].map((id) => {
      const file = join(path, "data", `${id}.h5`);
      if (!existsSync(file)) throw new DataError(`data set 'brats2019': ${file} is missing; expected ${LAYOUT}`);
      return { id, image: `${file}#image`, label: `${file}#label` };
    });
  } else {
    const files = new Set(listFiles(path));
    cases = [...files]
      .filter((f) => /_flair\.nii(\.gz)?$/.test(f))
      .map((flair): CaseRef => {
        const of = (name: string) => flair.replace(/_flair(\.nii(\.gz)?)$/, `_${name}$1`);
        const images = modalities.map((m) => {
          if (!files.has(of(m)))
            throw new DataError(`data set 'brats2019': ${join(path, of(m))} is missing; expected ${LAYOUT}`);
          return join(path, of(m));
        });
        const id = caseIdOf(flair).replace(/_flair$/, "");
        const label = of("seg");
        return {
          id,
          image: images.length > 1 ? images : images[0]!,
          ...(files.has(label) ? { label: join(path, label) } : {}),
        };
      });
  }
  if (cases.length === 0) throw new DataError(`data set 'brats2019': ${path} holds no such files; expected ${LAYOUT}`);
  const splits = resolveSplits(path, config.splits ?? listed, cases, "splits.json");
  const fromScan: PreprocessOptions = {
    crop: "nonzero",
    percentiles: [0, 99.9],
    normalize: "zscore-nonzero",
    backgroundZero: false,
  };
  return {
    name: config.name ?? "brats2019",
    kind: "brats2019",
    spatialDims: 3,
    channels: prepared ? 1 : modalities.length,
    classNames: TARGETS[target].classNames,
    // The published h5 labels of the whole tumour are 0 and 1, which this also reads.
    labelValues: TARGETS[target].labelValues,
    cases,
    ...(splits ? { splits } : {}),
    config: { ...config },
    preprocess: config.preprocess ?? (prepared ? { normalize: "none" } : fromScan),
  };
}
