import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  changedFiles,
  createSplitManifest,
  labeledSubset,
  openDataset,
  randomSplit,
  writePhantomDataset,
} from "@semiseg/data";
import { DataError, OptionError } from "@semiseg/errors";
import { describe, expect, it } from "vitest";
import { tempFolder } from "./helpers/temp-folder.js";

const ids = Array.from({ length: 80 }, (_, i) => `case_${i}`);

describe("labeledSubset", () => {
  it("is random, seeded, independent of the order of ids, and nested in the count", () => {
    const of = (count: number, seed = 1, from = ids) => labeledSubset({ ids: from, count, seed });
    expect(of(8).slice(0, 4)).toEqual(of(4));
    expect(new Set(of(16))).toEqual(new Set([...of(16), ...of(8)]));
    expect(of(8, 1, [...ids].reverse())).toEqual(of(8));
    expect(of(8, 2)).not.toEqual(of(8));
    expect(of(8)).not.toEqual(ids.slice(0, 8));
    expect(labeledSubset({ ids, count: 4, seed: 1, order: "listed" })).toEqual(ids.slice(0, 4));
    expect(() => of(81)).toThrow(OptionError);
    expect(() => of(0)).toThrow(OptionError);
  });

  it("chooses every case equally often over seeds", () => {
    const times = new Map<string, number>();
    for (let seed = 0; seed < 800; seed++)
      for (const id of labeledSubset({ ids, count: 8, seed })) times.set(id, (times.get(id) ?? 0) + 1);
    for (const n of times.values()) expect(Math.abs(n - 80)).toBeLessThan(45);
    expect(times.size).toBe(80);
  });
});

describe("randomSplit", () => {
  it("parts the cases by share without overlap and keeps patients together", async () => {
    const phantoms = await openDataset({ kind: "phantom", train: 40, validation: 0, test: 0 });
    const dataset = { ...phantoms, cases: phantoms.cases.map((c, n) => ({ ...c, patient: `p${Math.floor(n / 2)}` })) };
    const split = randomSplit(dataset, { validation: 0.1, test: 0.25, seed: 1 });
    expect([split.train.length, split.validation.length, split.test.length]).toEqual([26, 4, 10]);
    expect(new Set(Object.values(split).flat()).size).toBe(40);
    const partOf = (id: string) => (["train", "validation", "test"] as const).find((p) => split[p].includes(id));
    for (let n = 0; n < 40; n += 2) expect(partOf(dataset.cases[n]!.id)).toBe(partOf(dataset.cases[n + 1]!.id));
    expect(randomSplit(dataset, { validation: 0.1, test: 0.25, seed: 1 })).toEqual(split);
    expect(() => randomSplit(dataset, { validation: 0.5, test: 0.5, seed: 1 })).toThrow(OptionError);
  });
});

describe("createSplitManifest", () => {
  it("records splits, nested labelled cases and the hash of every file, and notices changed files", async () => {
    const path = join(tempFolder(), "set");
    await writePhantomDataset(path, { shape: [16, 16, 8], train: 6, validation: 1, test: 1 });
    const dataset = await openDataset({ kind: "msd", path });
    const manifest = await createSplitManifest(dataset, { seed: 4, labeledCount: 2 });
    const more = await createSplitManifest(dataset, { seed: 4, labeledCount: 4 });
    expect(more.labeled.slice(0, 2)).toEqual(manifest.labeled);
    expect([...manifest.labeled, ...manifest.unlabeled].sort()).toEqual([...manifest.train].sort());
    expect(Object.keys(manifest.hashes)).toHaveLength(16);
    expect(manifest.hashes["imagesTr/phantom_000.nii.gz"]).toMatch(/^[0-9a-f]{64}$/);
    expect(await changedFiles(dataset, JSON.parse(JSON.stringify(manifest)))).toEqual([]);
    const file = join(path, "labelsTr", "phantom_003.nii.gz");
    writeFileSync(file, Buffer.concat([readFileSync(file), Buffer.from([0])]));
    rmSync(join(path, "imagesTr", "phantom_005.nii.gz"));
    expect(await changedFiles(dataset, manifest)).toEqual([
      "imagesTr/phantom_005.nii.gz",
      "labelsTr/phantom_003.nii.gz",
    ]);
    await expect(createSplitManifest(dataset, { seed: 4 })).rejects.toThrow(DataError);
  });

  it("hashes the configuration of generated data", async () => {
    const one = await openDataset({ kind: "phantom", train: 2 });
    const other = await openDataset({ kind: "phantom", train: 2, noise: 0.3 });
    const manifest = await createSplitManifest(one, { seed: 1 });
    expect(await changedFiles(one, manifest)).toEqual([]);
    expect(await changedFiles(other, manifest)).toEqual(["phantom configuration"]);
  });

  it("needs splits, and as many labelled cases as asked for", async () => {
    const dataset = await openDataset({ kind: "phantom", train: 3 });
    const { splits: _, ...bare } = dataset;
    await expect(createSplitManifest(bare, { seed: 1 })).rejects.toThrow(/has no splits of its own/);
    await expect(createSplitManifest(dataset, { seed: 1, labeledCount: 4 })).rejects.toThrow(
      /3 training cases have labels/,
    );
    const leak = { train: ["phantom_000"], validation: [], test: ["phantom_000"] };
    await expect(createSplitManifest(dataset, { seed: 1, splits: leak })).rejects.toThrow(/in 'train' and in 'test'/);
  });
});
