import { DataError } from "@semiseg/errors";
import { RandomSource } from "@semiseg/random";
import { applyPatch, type Patch } from "../transforms/apply-patch.js";
import { changeIntensities } from "../transforms/change-intensities.js";
import { drawIntensity } from "../transforms/draw-intensity.js";
import { drawPatch } from "../transforms/draw-patch.js";
import type { AugmentOptions, Dataset, PreprocessOptions } from "../types.js";
import type { CaseStore } from "./case-store.js";

/** What a worker is started with. */
export interface PatchSetup {
  readonly dataset: Dataset;
  readonly preprocess?: PreprocessOptions;
  readonly augment: AugmentOptions | false;
  readonly patchSize: readonly number[];
  readonly seed: number;
  readonly storeBytes: number;
  readonly cacheFolder?: string;
  readonly strong?: AugmentOptions;
}

/** One patch to make. */
export interface PatchTask {
  readonly step: number;
  /** Position in the batch. */
  readonly slot: number;
  readonly id: string;
  readonly labeled: boolean;
}

/** Makes one patch; its randomness depends on seed, step and slot only. */
export async function makePatch(store: CaseStore, setup: PatchSetup, task: PatchTask): Promise<Patch> {
  const prepared = await store.get(task.id);
  if (task.labeled && !prepared.labels)
    throw new DataError(`case ${task.id} of '${setup.dataset.name}' is used as labelled and has no label`);
  // An unlabelled item must behave as if it had no label, also where the file has one.
  const seen = task.labeled ? prepared : { ...prepared, labels: null };
  const random = new RandomSource(setup.seed).fork("augment").fork(task.step).fork(task.slot);
  const patch = applyPatch(seen, drawPatch(seen, setup.patchSize, setup.augment, random));
  if (!setup.strong) return patch;
  const strong = patch.image.slice();
  const { patchSize, dataset } = setup;
  const changes = drawIntensity(setup.strong, patchSize.length, random.fork("strong"));
  changeIntensities(strong, patchSize, dataset.channels, changes);
  return { ...patch, strong };
}
