import { existsSync } from "node:fs";
import { join } from "node:path";
import { batchPlan, createBatchLoader, createSplitManifest, openDataset, prepareCase, readCase } from "@semiseg/data";
import { describe, expect, it } from "vitest";

/** SEMISEG_DATA holds `hippocampus` (MSD task 4) and `left-atrium` (UA-MT's LA files); without it nothing is run here. */
const root = process.env["SEMISEG_DATA"] ?? "";
const hippocampus = join(root, "hippocampus");
const leftAtrium = join(root, "left-atrium");

/** Everything that a patch can go through. */
const every = {
  rotation: [-20, 20],
  scaling: [0.8, 1.25],
  elastic: [0, 2],
  blur: [0.5, 1],
  biasField: [0, 0.4],
  noise: [0, 0.1],
  brightness: [0.9, 1.1],
  gamma: [0.8, 1.2],
} as const;

describe.skipIf(!root || !existsSync(hippocampus))("hippocampus of the Medical Segmentation Decathlon", () => {
  it("opens with its splits, and every case passes reading, preparation and every transform", {
    timeout: 120_000,
  }, async () => {
    const dataset = await openDataset({ kind: "msd", path: hippocampus });
    expect(dataset.classNames).toEqual(["background", "Anterior", "Posterior"]);
    expect(dataset.cases).toHaveLength(200);
    const { train, validation, test } = dataset.splits!;
    expect([train.length, validation.length, test.length]).toEqual([140, 20, 40]);
    for (const { id } of dataset.cases) {
      const prepared = await prepareCase(dataset, id);
      const classes = new Set(prepared.labels);
      expect(classes.size, id).toBe(3);
      let [sum, squares] = [0, 0];
      for (const x of prepared.image) {
        sum += x;
        squares += x * x;
      }
      expect(Math.abs(sum / prepared.image.length), id).toBeLessThan(1e-4);
      expect(squares / prepared.image.length, id).toBeCloseTo(1, 3);
    }
    // Every case through every transform, as labelled items.
    const all = { ...every, foregroundProbability: 1, cutMix: 0.5 };
    const each = createBatchLoader({
      dataset,
      plan: (step) => ({ labeled: dataset.cases.slice(4 * step, 4 * step + 4).map((c) => c.id), unlabeled: [] }),
      patchSize: [32, 48, 32],
      augment: all,
      seed: 2,
      workers: 0,
    });
    for (let step = 0; step < 50; step++) {
      const { image, labels, labeledIds } = await each.next(step);
      expect(image.every(Number.isFinite), labeledIds.join()).toBe(true);
      for (let slot = 0; slot < 4; slot++) {
        const own = labels.subarray(slot * 49152, (slot + 1) * 49152);
        expect(own.includes(1) || own.includes(2), labeledIds[slot]).toBe(true);
      }
    }
    await each.close();
    const plan = batchPlan({
      labeled: train.slice(0, 3),
      unlabeled: train.slice(3),
      labeledBatchSize: 2,
      unlabeledBatchSize: 2,
      seed: 1,
    });
    const loader = createBatchLoader({ dataset, plan, patchSize: [32, 48, 32], seed: 1, workers: 0 });
    const batch = await loader.next(0);
    expect(batch.imageShape).toEqual([4, 32, 48, 32, 1]);
    await loader.close();
    const manifest = await createSplitManifest(dataset, { seed: 1, labeledCount: 3 });
    expect(Object.keys(manifest.hashes)).toHaveLength(400);
  });
});

describe.skipIf(!root || !existsSync(leftAtrium))("left atrium benchmark", () => {
  it("opens with the published lists, and cases hold z-scored intensities and a binary label", async () => {
    const dataset = await openDataset({ kind: "la", path: leftAtrium });
    expect([dataset.splits!.train.length, dataset.splits!.test.length]).toEqual([80, 20]);
    for (const { id } of dataset.cases.slice(0, 6)) {
      const { image, label } = await readCase(dataset, id);
      expect(image.dtype).toBe("float32");
      expect(image.shape[2]).toBe(88);
      expect(Math.max(...label!.data.subarray(0, 100_000))).toBeLessThanOrEqual(1);
      const prepared = await prepareCase(dataset, id);
      expect(Buffer.compare(Buffer.from(prepared.image.buffer), Buffer.from(image.data.buffer)), id).toBe(0);
    }
  });

  it("passes all 100 scans through the loader and its transforms", { timeout: 300_000 }, async () => {
    const dataset = await openDataset({ kind: "la", path: leftAtrium });
    const plan = (step: number) => ({ labeled: [dataset.cases[step]!.id], unlabeled: [] });
    const augment = { ...every, foregroundProbability: 1 };
    const loader = createBatchLoader({
      dataset,
      plan,
      patchSize: [64, 64, 48],
      augment,
      seed: 1,
      workers: 0,
      storeBytes: 0,
    });
    for (let step = 0; step < dataset.cases.length; step++) {
      const { image, labels } = await loader.next(step);
      let sum = 0;
      for (let v = 0; v < image.length; v++) sum += image[v]!;
      expect(Number.isFinite(sum), dataset.cases[step]!.id).toBe(true);
      expect(labels.includes(1), dataset.cases[step]!.id).toBe(true);
    }
    await loader.close();
  });
});
