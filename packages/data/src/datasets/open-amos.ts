import { join } from "node:path";
import { checkChoice, DataError } from "@semiseg/errors";
import type { CaseRef, Dataset } from "../types.js";
import type { AmosConfig } from "./dataset-config.js";
import { caseIdOf, checkFolder, readJson, resolveSplits } from "./dataset-files.js";

const LAYOUT = "AMOS 2022's dataset.json with imagesTr, labelsTr, imagesVa and labelsVa";

export const AMOS_CLASSES = [
  "background",
  "spleen",
  "right kidney",
  "left kidney",
  "gall bladder",
  "esophagus",
  "liver",
  "stomach",
  "aorta",
  "postcava",
  "pancreas",
  "right adrenal gland",
  "left adrenal gland",
  "duodenum",
  "bladder",
  "prostate or uterus",
] as const;

/** Cases below 500 are CT, the others MR. The published validation cases are the test part: their labels are public. */
export function openAmos(config: AmosConfig): Dataset {
  const { path, modality = "ct" } = config;
  checkChoice("data set 'amos'", "modality", modality, ["ct", "mr", "all"]);
  checkFolder("amos", path, LAYOUT);
  const file = join(path, "dataset.json");
  const json = readJson(file) as Record<string, { image?: string; label?: string }[] | undefined>;
  const wanted = (id: string) => {
    const number = Number(/(\d+)$/.exec(id)?.[1]);
    return modality === "all" || number < 500 === (modality === "ct");
  };
  const listed = (part: string): CaseRef[] =>
    (json[part] ?? [])
      .filter((entry): entry is { image: string; label?: string } => typeof entry?.image === "string")
      .map((entry) => ({
        id: caseIdOf(entry.image),
        image: join(path, entry.image),
        ...(entry.label ? { label: join(path, entry.label) } : {}),
      }))
      .filter((c) => wanted(c.id));
  const [train, test] = [listed("training"), listed("validation")];
  if (train.length === 0)
    throw new DataError(
      `${file}: 'training' lists no ${modality === "all" ? "" : `${modality} `}cases; expected ${LAYOUT}`,
    );
  const cases = [...train, ...test];
  const own = { train: train.map((c) => c.id), validation: [], test: test.map((c) => c.id) };
  const splits = resolveSplits(path, config.splits ?? own, cases);
  return {
    name: config.name ?? `amos-${modality}`,
    kind: "amos",
    spatialDims: 3,
    channels: 1,
    classNames: AMOS_CLASSES,
    cases,
    ...(splits ? { splits } : {}),
    config: { ...config },
    preprocess:
      config.preprocess ??
      (modality === "ct"
        ? { clip: [-125, 275], normalize: "minmax" }
        : { percentiles: [0.5, 99.5], normalize: "zscore" }),
  };
}
