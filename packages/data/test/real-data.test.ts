import { existsSync } from "node:fs";
import { join } from "node:path";
import { batchPlan, createBatchLoader, createSplitManifest, openDataset, prepareCase, readCase } from "@semiseg/data";
import { describe, expect, it } from "vitest";

/** SEMISEG_DATA holds `hippocampus` (MSD task 4) and `left-atrium` (UA-MT's LA files); without it nothing is run here. */
const root = process.env["SEMISEG_DATA"] ?? "";
const hippocampus = join(root, "hippocampus");
const leftAtrium = join(root, "left-atrium");

describe.skipIf(!root || !existsSync(hippocampus))("hippocampus of the Medical Segmentation Decathlon", () => {
  it("opens with its splits, and every case passes reading, preparation and patches", async () => {
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
    const augment = { noise: [0, 0.1], gamma: [0.8, 1.2], foregroundProbability: 1 } as const;
    const loader = createBatchLoader({
      dataset,
      plan,
      patchSize: [112, 112, 80],
      augment,
      seed: 1,
      workers: 0,
      storeBytes: 0,
    });
    for (let step = 0; step < dataset.cases.length; step++) {
      const { image, labels } = await loader.next(step);
      expect(image.every(Number.isFinite), dataset.cases[step]!.id).toBe(true);
      expect(labels.includes(1), dataset.cases[step]!.id).toBe(true);
    }
    await loader.close();
  });
});
