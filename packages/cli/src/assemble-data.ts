import {
  batchPlan,
  changedFiles,
  createBatchLoader,
  createSplitManifest,
  type Dataset,
  type DatasetConfig,
  openDataset,
  randomSplit,
  restrictDataset,
  type SplitManifest,
} from "@semiseg/data";
import { DataError } from "@semiseg/errors";
import { type EvaluationCases, evaluationCases, type TrainingData } from "@semiseg/training";
import type { DatasetFacts, RunConfig } from "./config/schema.js";

/** The data of a configuration: opened, split, nothing read yet. */
export interface AssembledData {
  readonly dataset: Dataset;
  readonly manifest: SplitManifest;
}

/** The part of a configuration that says where the data set is and how it is read. */
export function datasetConfigOf(config: RunConfig): DatasetConfig {
  const {
    split,
    labeled,
    labeledOrder,
    seed,
    patchSize,
    preprocess,
    augment,
    strong,
    workers,
    queue,
    cacheFolder,
    ...reader
  } = config.data;
  const held = typeof split === "object" && typeof split.test === "number" ? split : null;
  return {
    ...reader,
    ...(reader.kind === "phantom" ? { seed } : {}),
    ...(split !== undefined && !held ? { splits: split } : {}),
    ...(preprocess ? { preprocess } : {}),
  } as unknown as DatasetConfig;
}

/**
 * Opens the data set and decides the split.
 *
 * @param manifest - of a run that is being resumed or evaluated; its split is used, and files must not have changed.
 */
export async function assembleData(config: RunConfig, manifest?: SplitManifest): Promise<AssembledData> {
  const { split, labeled, labeledOrder, seed } = config.data;
  const held = typeof split === "object" && typeof split.test === "number" ? split : null;
  const dataset = await openDataset(datasetConfigOf(config));
  if (manifest) {
    const changed = await changedFiles(dataset, manifest);
    if (changed.length > 0)
      throw new DataError(
        `${changed.length} files of data set '${dataset.name}' changed since the run began: ${changed.slice(0, 5).join(", ")}`,
      );
    return { dataset, manifest };
  }
  const splits = held
    ? randomSplit(dataset, { validation: Number(held.validation), test: Number(held.test), seed })
    : dataset.splits;
  const training = splits?.train.length ?? 0;
  const count = labeled === "all" ? null : labeled < 1 ? Math.max(1, Math.round(labeled * training)) : labeled;
  return {
    dataset,
    manifest: await createSplitManifest(dataset, {
      seed,
      labeledOrder,
      ...(splits ? { splits } : {}),
      ...(count === null ? {} : { labeledCount: count }),
    }),
  };
}

/** Unlabelled training cases and the labels that the run hides from its losses, for the log alone. */
function hiddenCases(config: RunConfig, { dataset, manifest }: AssembledData): EvaluationCases | null {
  const count = config.validation?.pseudoLabels;
  if (count === undefined || manifest.unlabeled.length === 0) return null;
  return evaluationCases(dataset, {
    part: "unlabelled",
    ids: manifest.unlabeled.slice(0, count),
    preprocess: config.data.preprocess as never,
    keep: true,
  });
}

/** Cases of one part, prepared as the configuration says. */
export function casesOf(config: RunConfig, data: AssembledData, part: "validation" | "test"): EvaluationCases {
  return evaluationCases(data.dataset, {
    part,
    ids: data.manifest[part],
    preprocess: config.data.preprocess as never,
    keep: part === "validation",
  });
}

/** What the trainer is given: training and validation cases only. */
export function trainingData(
  config: RunConfig,
  { dataset, manifest }: AssembledData,
): TrainingData & { readonly unlabeled: number; close(): Promise<void> } {
  const { patchSize, preprocess, augment, strong, workers, queue, cacheFolder } = config.data;
  const unlabeled = manifest.unlabeled.length > 0 ? config.batch.unlabeled : 0;
  const loader = createBatchLoader({
    dataset: restrictDataset(dataset, manifest.train),
    plan: batchPlan({
      labeled: manifest.labeled,
      unlabeled: manifest.unlabeled,
      labeledBatchSize: config.batch.labeled,
      unlabeledBatchSize: unlabeled,
      seed: config.seed,
    }),
    patchSize,
    ...(preprocess ? { preprocess: preprocess as never } : {}),
    ...(augment === undefined ? {} : { augment: augment as never }),
    ...(strong === undefined ? {} : { strong: strong as never }),
    seed: config.seed,
    workers,
    queue,
    ...(cacheFolder ? { cacheFolder } : {}),
    maxSteps: config.maxSteps,
  });
  const hidden = hiddenCases(config, { dataset, manifest });
  return {
    loader,
    classNames: dataset.classNames,
    manifest,
    unlabeled,
    ...(manifest.validation.length > 0 ? { validation: casesOf(config, { dataset, manifest }, "validation") } : {}),
    ...(hidden ? { hidden } : {}),
    close: () => loader.close(),
  };
}

/** The part of a data set that a trained network depends on. */
export function factsOf(dataset: Dataset): DatasetFacts {
  const { name, spatialDims, channels, classNames, preprocess } = dataset;
  return {
    name,
    spatialDims,
    channels,
    classNames: [...classNames],
    ...(preprocess ? { preprocess: preprocess as never } : {}),
  };
}
