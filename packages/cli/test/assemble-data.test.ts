import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writePhantomDataset } from "@semiseg/data";
import { DataError } from "@semiseg/errors";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { assembleData, parseConfig, type RunConfig, trainingData } from "../src/index.js";

let folder = "";
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "semiseg-data-"));
  await writePhantomDataset(folder, { shape: [16, 16, 8], train: 6, validation: 2, test: 2 });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const config = (data: string, more = ""): RunConfig =>
  parseConfig(
    `{ method: { name: supervised }, maxSteps: 2, run: x, data: { patchSize: [8, 8, 8], workers: 0, ${data} } ${more}}`,
    "run.yaml",
  );

describe("assembleData", () => {
  it("opens a folder with its own split and labels a nested random subset", async () => {
    const small = await assembleData(config(`kind: msd, path: ${folder}, labeled: 2`));
    const large = await assembleData(config(`kind: msd, path: ${folder}, labeled: 0.5`));
    expect(small.manifest.labeled).toHaveLength(2);
    expect(large.manifest.labeled).toHaveLength(3);
    expect(large.manifest.labeled).toEqual(expect.arrayContaining([...small.manifest.labeled]));
    expect(small.manifest.unlabeled).toHaveLength(4);
    expect(Object.keys(small.manifest.hashes)).toHaveLength(20);
  });

  it("holds out fractions when told to", async () => {
    const { manifest } = await assembleData(
      config(`kind: msd, path: ${folder}, split: { validation: 0.2, test: 0.3 }, seed: 3`),
    );
    expect([manifest.train, manifest.validation, manifest.test].map((ids) => ids.length)).toEqual([5, 2, 3]);
  });

  it("takes the split of a run that is there, and refuses changed files", async () => {
    const settings = config(`kind: msd, path: ${folder}, labeled: 2`);
    const { manifest } = await assembleData(settings);
    expect((await assembleData(settings, manifest)).manifest).toBe(manifest);
    const file = join(folder, Object.keys(manifest.hashes)[0]!);
    expect(existsSync(file)).toBe(true);
    const changed = { ...manifest, hashes: { ...manifest.hashes, [Object.keys(manifest.hashes)[0]!]: "0" } };
    await expect(assembleData(settings, changed)).rejects.toThrow(DataError);
  });

  it("generates phantoms that differ by seed", async () => {
    const hash = async (seed: number): Promise<unknown> =>
      (await assembleData(config(`kind: phantom, shape: [16, 16, 8], train: 2, validation: 1, test: 1, seed: ${seed}`)))
        .manifest.hashes;
    expect(await hash(1)).not.toEqual(await hash(2));
  });
});

describe("trainingData", () => {
  it("gives batches and validation cases, and has no test case anywhere", async () => {
    const settings = config(`kind: msd, path: ${folder}, labeled: 2`, ", batch: { labeled: 1, unlabeled: 2 }");
    const assembled = await assembleData(settings);
    const data = trainingData(settings, assembled);
    const batch = await data.loader.next(0);
    expect(batch.imageShape).toEqual([3, 8, 8, 8, 1]);
    expect(batch.labelsShape).toEqual([1, 8, 8, 8]);
    expect(data.validation?.ids).toEqual(assembled.manifest.validation);
    for (const id of assembled.manifest.test) await expect(data.validation!.read(id)).rejects.toThrow(DataError);
    await data.close();
  });

  it("switches on every transform, mixes and the strong view from the file", async () => {
    const augment =
      "rotation: [-10, 10], rotationAxes: [2], scaling: [0.9, 1.1], elastic: [0, 1], elasticSpacing: 8, blur: [0.5, 1], biasField: [0, 0.3], cutMix: 1, cutMixRatio: [0.5, 0.5], copyPaste: 1, copyPasteMode: box";
    const settings = config(
      `kind: msd, path: ${folder}, labeled: 2, augment: { ${augment} }, strong: { noise: [1, 1], noiseProbability: 1 }`,
      ", batch: { labeled: 2, unlabeled: 2 }",
    );
    const data = trainingData(settings, await assembleData(settings));
    const batch = await data.loader.next(0);
    expect(batch.mixes!.map((m) => m.slot)).toEqual([0, 1, 2, 2, 3, 3]);
    expect(batch.pasted).toHaveLength(2 * 512);
    const plain = config(`kind: msd, path: ${folder}, labeled: 2`, ", batch: { labeled: 2, unlabeled: 2 }");
    const unchanged = await trainingData(plain, await assembleData(plain)).loader.next(0);
    expect(batch.image).not.toEqual(unchanged.image);
    expect(batch.strong).not.toEqual(batch.image);
    expect(() => config(`kind: msd, path: ${folder}, augment: { rotate: [0, 1] }`)).toThrow(/rotate/);
    expect(() => config(`kind: msd, path: ${folder}, strong: { flipAxes: [0] }`)).toThrow(/flipAxes/);
  });

  it("asks for no unlabelled items when every case is labelled", async () => {
    const settings = config(`kind: msd, path: ${folder}, labeled: all`);
    const data = trainingData(settings, await assembleData(settings));
    expect((await data.loader.next(0)).imageShape[0]).toBe(2);
    await data.close();
  });
});
