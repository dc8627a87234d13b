import { checkNumber, OptionError } from "@semiseg/errors";
import { RandomSource } from "@semiseg/random";
import { DEFAULT_STORE_BYTES } from "./loader/case-store.js";
import { drawMixes, mixBatch } from "./loader/mix-batch.js";
import { localPool, threadPool } from "./loader/patch-pool.js";
import { checkPreprocess } from "./prepare-volume.js";
import { checkAugment } from "./transforms/check-augment.js";
import { product } from "./transforms/grid.js";
import type { Batch, BatchLoader, BatchLoaderOptions } from "./types.js";

/**
 * Loads training batches ahead of the training loop. The batch of a step is a function of step, plan, seed and data:
 * the number of threads, the queue's length and where a run was resumed change nothing, so a loader has no state to
 * save.
 *
 * @throws OptionError for options that do not fit; `next` rejects with DataError where a case cannot be used.
 */
export function createBatchLoader(options: BatchLoaderOptions): BatchLoader {
  const where = "createBatchLoader";
  const { dataset, plan, patchSize, seed, augment = {}, workers = 1, queue = 2 } = options;
  const { maxSteps = Number.POSITIVE_INFINITY, storeBytes = DEFAULT_STORE_BYTES } = options;
  if (patchSize.length !== dataset.spatialDims)
    throw new OptionError(
      `${where}: patchSize must have ${dataset.spatialDims} entries, received [${patchSize.join(", ")}]`,
    );
  for (const n of patchSize) checkNumber(where, "patchSize", n, { integer: true, min: 1 });
  checkNumber(where, "seed", seed, { integer: true });
  checkNumber(where, "workers", workers, { integer: true, min: 0, max: 64 });
  checkNumber(where, "queue", queue, { integer: true, min: 1, max: 1024 });
  checkNumber(where, "storeBytes", storeBytes, { min: 0 });
  const preprocess = options.preprocess ?? dataset.preprocess ?? {};
  checkPreprocess(preprocess, dataset.spatialDims);
  if (augment) checkAugment(augment, dataset.spatialDims);
  if (options.strong) checkAugment(options.strong, dataset.spatialDims);

  const cache = options.cacheFolder === undefined ? {} : { cacheFolder: options.cacheFolder };
  const setup = {
    dataset,
    preprocess,
    augment,
    patchSize,
    seed,
    storeBytes,
    ...cache,
    ...(options.strong ? { strong: options.strong } : {}),
  };
  const pool = threadPool(setup, workers, new URL("./loader-worker.js", import.meta.url)) ?? localPool(setup);
  const voxels = product(patchSize);
  const { channels } = dataset;
  const mixing = augment && (augment.cutMix || augment.copyPaste) ? augment : null;
  const random = new RandomSource(seed).fork("mix");
  const started = new Map<number, Promise<Omit<Batch, "waitedMs">>>();

  async function build(step: number): Promise<Omit<Batch, "waitedMs">> {
    const { labeled, unlabeled } = plan(step);
    const ids = [...labeled, ...unlabeled];
    if (ids.length === 0) throw new OptionError(`${where}: plan(${step}) gives no case`);
    const image = new Float32Array(ids.length * voxels * channels);
    const labels = new Int32Array(labeled.length * voxels);
    const strong = options.strong ? new Float32Array(image.length) : null;
    const patches = await Promise.all(
      ids.map(async (id, slot) => {
        const patch = await pool.make({ step, slot, id, labeled: slot < labeled.length });
        image.set(patch.image, slot * voxels * channels);
        if (patch.strong) strong?.set(patch.strong, slot * voxels * channels);
        if (patch.labels && slot < labeled.length) labels.set(patch.labels, slot * voxels);
        return patch;
      }),
    );
    const counts = { labeled: labeled.length, unlabeled: unlabeled.length };
    const mixes = mixing ? drawMixes(mixing, counts, patchSize, random.fork(step)) : null;
    const pasted = mixing?.copyPaste ? new Int32Array(unlabeled.length * voxels).fill(-1) : null;
    if (mixes) mixBatch({ image, strong, labels, pasted }, patches, mixes, patchSize, channels);
    return {
      step,
      image,
      ...(strong ? { strong } : {}),
      ...(mixes ? { mixes } : {}),
      ...(pasted ? { pasted } : {}),
      imageShape: [ids.length, ...patchSize, channels],
      labels,
      labelsShape: [labeled.length, ...patchSize],
      labeledIds: [...labeled],
      unlabeledIds: [...unlabeled],
    };
  }

  function start(step: number): Promise<Omit<Batch, "waitedMs">> {
    let batch = started.get(step);
    if (!batch) {
      batch = build(step);
      batch.catch(() => {}); // Reported by the `next` that asks for it, which may come later or never.
      started.set(step, batch);
    }
    return batch;
  }

  return {
    async next(step) {
      checkNumber(where, "step", step, { integer: true, min: 0 });
      const began = performance.now();
      const batch = start(step);
      // In the calling thread working ahead would only delay the step at hand: it happens when asked for.
      if (pool.workers > 0) for (let s = step + 1; s <= step + queue && s < maxSteps; s++) start(s);
      for (const s of started.keys()) if (s <= step || s > step + queue) started.delete(s);
      return { ...(await batch), waitedMs: performance.now() - began };
    },
    async close() {
      started.clear();
      await pool.close();
    },
  };
}
