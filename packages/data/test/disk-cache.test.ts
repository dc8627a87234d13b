import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Dataset, openDataset, type PreprocessOptions, prepareCase, writePhantomDataset } from "@semiseg/data";
import { describe, expect, it } from "vitest";
import { CaseStore } from "../src/loader/case-store.js";
import { tempFolder } from "./helpers/temp-folder.js";

const root = tempFolder();
let made = 0;
async function set(): Promise<{ dataset: Dataset; path: string; cache: string }> {
  const path = join(root, `set-${made++}`);
  await writePhantomDataset(path, { shape: [16, 16, 8], organs: 2, train: 2, validation: 0, test: 0 });
  return { dataset: await openDataset({ kind: "msd", path }), path, cache: join(path, "cache") };
}
const get = (dataset: Dataset, cache: string, options?: PreprocessOptions, id = "phantom_000") =>
  new CaseStore(dataset, options, 1e9, cache).get(id);
const kept = (cache: string) => readdirSync(cache).filter((f) => f.endsWith(".case"));

describe("the cache of prepared cases", () => {
  it("gives the same case as preparing it, and does not prepare it again", async () => {
    const { dataset, cache } = await set();
    const fresh = await prepareCase(dataset, "phantom_000");
    expect(await get(dataset, cache)).toEqual(fresh);
    const file = join(cache, kept(cache)[0]!);
    const before = readFileSync(file);
    expect(await get(dataset, cache)).toEqual(fresh);
    expect(readFileSync(file)).toEqual(before);
    const unlabeled = { ...dataset, cases: dataset.cases.map(({ label: _, ...c }) => c) };
    expect((await get(unlabeled, cache)).labels).toBeNull();
    expect((await get(unlabeled, cache)).labels).toBeNull();
  });

  it("keeps other parameters and other content apart", async () => {
    const { dataset, path, cache } = await set();
    await get(dataset, cache);
    await get(dataset, cache, { normalize: "minmax" });
    await get(dataset, cache, undefined, "phantom_001");
    expect(kept(cache)).toHaveLength(3);
    const images = join(path, "imagesTr");
    writeFileSync(join(images, "phantom_000.nii.gz"), readFileSync(join(images, "phantom_001.nii.gz")));
    const changed = await get(dataset, cache);
    expect(kept(cache)).toHaveLength(4);
    expect(changed.image).toEqual((await get(dataset, cache, undefined, "phantom_001")).image);
  });

  it("prepares a case anew when the kept one is damaged", async () => {
    const { dataset, cache } = await set();
    const fresh = await get(dataset, cache);
    const file = join(cache, kept(cache)[0]!);
    const good = readFileSync(file);
    const flipped = Buffer.from(good);
    flipped[good.length - 9]! ^= 1;
    for (const bad of [flipped, good.subarray(0, 2), good.subarray(0, 1000), Buffer.from("junk of another kind")]) {
      writeFileSync(file, bad);
      expect(await get(dataset, cache)).toEqual(fresh);
      expect(readFileSync(file)).toEqual(good);
    }
  });

  it("is safe for many readers and writers at once, and leaves no partial files", async () => {
    const { dataset, cache } = await set();
    const fresh = await prepareCase(dataset, "phantom_001");
    const all = await Promise.all(Array.from({ length: 8 }, () => get(dataset, cache, undefined, "phantom_001")));
    for (const one of all) expect(one).toEqual(fresh);
    expect(readdirSync(cache)).toHaveLength(1);
    rmSync(cache, { recursive: true });
    expect(await get(dataset, cache, undefined, "phantom_001")).toEqual(fresh);
  });
});
