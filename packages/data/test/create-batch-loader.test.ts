import { mkdirSync, rmSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import * as source from "@semiseg/data";
import { DataError, OptionError } from "@semiseg/errors";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tempFolder } from "./helpers/temp-folder.js";

const dataset = await source.openDataset({
  kind: "phantom",
  shape: [20, 18, 10],
  organs: 2,
  train: 6,
  validation: 0,
  test: 0,
});
const [a, b, c, d, e, f] = dataset.cases.map((x) => x.id) as [string, string, string, string, string, string];
const plan = source.batchPlan({
  labeled: [a, b],
  unlabeled: [c, d, e, f],
  labeledBatchSize: 1,
  unlabeledBatchSize: 2,
  seed: 5,
});
const options = { dataset, plan, patchSize: [8, 8, 6], seed: 11, workers: 0 } as const;

/** The package bundled as it is published, because worker threads load JavaScript. */
const here = fileURLToPath(new URL("..", import.meta.url));
const built = join(here, "node_modules", `.loader-test-${process.pid}`);
let published: typeof source;
beforeAll(async () => {
  mkdirSync(built, { recursive: true });
  await build({
    entryPoints: [join(here, "src/index.ts"), join(here, "src/loader-worker.ts")],
    outdir: built,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20",
    conditions: ["@semiseg/source"],
    external: ["h5wasm", "h5wasm/node", "fast-png", "fflate"],
    logLevel: "error",
  });
  published = (await import(pathToFileURL(join(built, "index.js")).href)) as typeof source;
});
afterAll(() => rmSync(built, { recursive: true, force: true }));

const stripped = ({ waitedMs: _, ...batch }: source.Batch) => batch;

async function collect(library: typeof source, more: Partial<source.BatchLoaderOptions>, steps: number[]) {
  const loader = library.createBatchLoader({ ...options, ...more });
  const batches = [];
  for (const step of steps) batches.push(stripped(await loader.next(step)));
  await loader.close();
  return batches;
}

describe("createBatchLoader", () => {
  it("gives labelled items first, with their labels, in the shapes of the contract", async () => {
    const loader = source.createBatchLoader(options);
    const batch = await loader.next(0);
    expect(batch.imageShape).toEqual([3, 8, 8, 6, 1]);
    expect(batch.image).toHaveLength(3 * 384);
    expect(batch.labelsShape).toEqual([1, 8, 8, 6]);
    expect(batch.labels).toBeInstanceOf(Int32Array);
    expect(batch.labels).toHaveLength(384);
    expect([a, b]).toContain(batch.labeledIds[0]);
    expect(batch.unlabeledIds).toHaveLength(2);
    expect(batch.waitedMs).toBeGreaterThanOrEqual(0);
    await loader.close();
  });

  it("gives the same batch of a step in any order, so a resumed run needs no loader state", async () => {
    const forward = await collect(source, {}, [0, 1, 2, 3, 4]);
    expect(await collect(source, {}, [3, 4])).toEqual(forward.slice(3));
    expect(await collect(source, {}, [4, 0])).toEqual([forward[4], forward[0]]);
    expect(await collect(source, { seed: 12 }, [0])).not.toEqual(forward.slice(0, 1));
    expect(forward[0]!.image).not.toEqual(forward[1]!.image);
  });

  it("gives the same batches with one and three worker threads and any queue as in the calling thread", async () => {
    const steps = [0, 1, 2, 3, 4, 5];
    const here = await collect(source, {}, steps);
    for (const [workers, queue] of [
      [1, 1],
      [3, 4],
    ] as const)
      expect(await collect(published, { workers, queue }, steps)).toEqual(here);
  });

  it("works in the calling thread where the worker's JavaScript isn't there", async () => {
    const [fromSource] = await collect(source, { workers: 2 }, [2]);
    expect(fromSource).toEqual((await collect(source, {}, [2]))[0]);
  });

  it("never reads beyond the last step, and prepares ahead while the caller is busy", async () => {
    const asked: number[] = [];
    const counting = (step: number) => {
      asked.push(step);
      return plan(step);
    };
    const loader = published.createBatchLoader({ ...options, plan: counting, workers: 1, queue: 3, maxSteps: 4 });
    await loader.next(0);
    expect(asked).toEqual([0, 1, 2, 3]);
    await new Promise((done) => setTimeout(done, 300));
    expect((await loader.next(1)).waitedMs).toBeLessThan(50);
    await loader.next(2);
    await loader.next(3);
    expect(asked).toEqual([0, 1, 2, 3]);
    await loader.close();
  });

  it("keeps cases in memory up to the limit and gives the same batches with none kept", async () => {
    expect(await collect(source, { storeBytes: 0 }, [0, 1, 2])).toEqual(await collect(source, {}, [0, 1, 2]));
  });

  it("does not let labels of unlabelled items influence anything", async () => {
    const augment = { foregroundProbability: 1 };
    const [batch] = await collect(source, { augment }, [0]);
    const bare = {
      ...dataset,
      cases: dataset.cases.map((x) => ([a, b].includes(x.id) ? x : { ...x, label: undefined as never })),
    };
    expect((await collect(source, { augment, dataset: bare }, [0]))[0]).toEqual(batch);
  });

  it("reports a damaged case from worker threads as the same error, and goes on with other cases", async () => {
    const path = join(tempFolder(), "set");
    await source.writePhantomDataset(path, { shape: [16, 16, 8], train: 2, validation: 0, test: 0 });
    truncateSync(join(path, "imagesTr", "phantom_001.nii.gz"), 900);
    const files = await source.openDataset({ kind: "msd", path });
    const alternating = (step: number) => ({ labeled: [files.cases[step % 2]!.id], unlabeled: [] });
    for (const library of [source, published]) {
      const loader = library.createBatchLoader({
        ...options,
        dataset: files,
        plan: alternating,
        patchSize: [8, 8, 8],
        workers: 1,
      });
      await loader.next(0);
      await expect(loader.next(1)).rejects.toThrow(/phantom_001\.nii\.gz: the file is truncated/);
      await expect(loader.next(1)).rejects.toMatchObject({ name: "DataError", code: "DATA" });
      expect((await loader.next(2)).labeledIds).toEqual(["phantom_000"]);
      await loader.close();
    }
  });

  it("says when a case without label is used as labelled, when a plan is empty, and when it is closed", async () => {
    const bare = {
      ...dataset,
      cases: dataset.cases.map(({ label: _, ...x }) => ({ ...x, index: undefined as never })),
    };
    const none = source.createBatchLoader({ ...options, dataset: { ...bare, kind: "folder" } });
    await expect(none.next(0)).rejects.toThrow(DataError);
    const empty = source.createBatchLoader({ ...options, plan: () => ({ labeled: [], unlabeled: [] }) });
    await expect(empty.next(0)).rejects.toThrow(/plan\(0\) gives no case/);
    const loader = published.createBatchLoader({ ...options, workers: 1 });
    const pending = loader.next(0);
    const outcome = expect(pending).rejects.toThrow(/closed/);
    await loader.close();
    await outcome;
    await expect(loader.next(1)).rejects.toThrow(/closed/);
  });

  it("gives a strong view of the same voxels beside the weak one, from threads too, leaving the weak one as it was", async () => {
    const strong = { noise: [0.5, 0.5], noiseProbability: 1 } as const;
    const [plain] = await collect(source, {}, [1]);
    const [both] = await collect(source, { strong }, [1]);
    expect(plain!.strong).toBeUndefined();
    expect(both!.image).toEqual(plain!.image);
    const differences = both!.strong!.map((x, v) => x - both!.image[v]!);
    const deviation = Math.sqrt(differences.reduce((sum, x) => sum + x * x, 0) / differences.length);
    expect(Math.abs(deviation - 0.5)).toBeLessThan(0.05);
    expect((await collect(published, { strong, workers: 2 }, [1]))[0]).toEqual(both);
  });

  it("refuses options out of range", () => {
    for (const bad of [
      { patchSize: [8, 8] },
      { patchSize: [8, 8, 0] },
      { workers: -1 },
      { queue: 0 },
      { seed: 0.5 },
      { preprocess: { padTo: [1] } },
    ])
      expect(() => source.createBatchLoader({ ...options, ...bad }), JSON.stringify(bad)).toThrow(OptionError);
  });
});
