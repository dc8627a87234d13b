import { join } from "node:path";
import { DataError } from "@semiseg/errors";
import type { CaseRef, Dataset } from "../types.js";
import type { MsdConfig } from "./dataset-config.js";
import { caseIdOf, checkFolder, readJson, resolveSplits } from "./dataset-files.js";

/** Class names by class from either spelling: {"1": "liver"} (MSD) or {"liver": 1} (nnU-Net). */
function classNamesOf(path: string, labels: unknown): string[] {
  const entries = Object.entries((labels ?? {}) as Record<string, unknown>).map(([key, value]) =>
    typeof value === "number" ? ([value, key] as const) : ([Number(key), String(value)] as const),
  );
  const names: string[] = [];
  for (const [index, name] of entries) if (Number.isInteger(index) && index >= 0) names[index] = name;
  if (names.length < 2 || names.length !== entries.length || names.includes(undefined as unknown as string))
    throw new DataError(
      `${path}: 'labels' must name the classes 0 to ${Math.max(1, entries.length - 1)} without a gap, received ${JSON.stringify(labels)}`,
    );
  return names;
}

export function openMsd(config: MsdConfig): Dataset {
  const { path } = config;
  checkFolder("msd", path, "dataset.json with imagesTr and labelsTr");
  const file = join(path, "dataset.json");
  const json = readJson(file) as Record<string, unknown>;
  const training = json["training"];
  if (!Array.isArray(training) || training.length === 0) throw new DataError(`${file}: 'training' lists no cases`);
  const place = (relative: unknown): string => {
    if (typeof relative !== "string" || relative === "")
      throw new DataError(`${file}: 'training' has an entry without 'image' or 'label': ${JSON.stringify(relative)}`);
    return join(path, relative);
  };
  const cases: CaseRef[] = training.map((entry: { image?: unknown; label?: unknown }) => {
    const image = place(entry?.image);
    return { id: caseIdOf(image), image, ...(entry.label === undefined ? {} : { label: place(entry.label) }) };
  });
  if (config.includeTest && Array.isArray(json["test"]))
    for (const entry of json["test"] as (string | { image?: string })[]) {
      const image = place(typeof entry === "string" ? entry : entry?.image);
      cases.push({ id: caseIdOf(image), image });
    }
  const modalities = json["modality"] ?? json["channel_names"] ?? { "0": "image" };
  const splits = resolveSplits(path, config.splits, cases, "splits.json");
  return {
    name: config.name ?? String(json["name"] ?? "msd"),
    kind: "msd",
    spatialDims: String(json["tensorImageSize"]).startsWith("2") ? 2 : 3,
    channels: Object.keys(modalities as object).length,
    classNames: classNamesOf(file, json["labels"]),
    cases,
    ...(splits ? { splits } : {}),
    config: { ...config },
    preprocess: config.preprocess ?? { normalize: "zscore" },
  };
}
