import "@tensorflow/tfjs";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findChromium } from "@semiseg/test-utils";
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { initWebgpu, type TileStorage, tuneWebgpu } from "../src/index.js";
import { runInChromium } from "./helpers/run-in-chromium.js";

const cache = mkdtempSync(join(tmpdir(), "semiseg-tiles-"));
const before = process.env["SEMISEG_CACHE"];
beforeAll(() => {
  process.env["SEMISEG_CACHE"] = cache;
});
afterAll(() => {
  if (before === undefined) delete process.env["SEMISEG_CACHE"];
  else process.env["SEMISEG_CACHE"] = before;
  rmSync(cache, { recursive: true, force: true });
});

/** A storage that lasts for a test, and what is in it. */
function memory(text?: string): TileStorage & { readonly kept: Map<string, string> } {
  const kept = new Map<string, string>();
  return { kept, get: (key) => kept.get(key) ?? text, set: (key, value) => void kept.set(key, value) };
}

/** One class of products. */
const forward = (): void =>
  tf.tidy(() => {
    tf.conv3d(tf.ones([1, 5, 4, 4, 4]) as tf.Tensor5D, tf.ones([1, 1, 1, 4, 3]) as tf.Tensor5D, 1, "same");
  });
const TILE = /^\d+x\d+x\d+\/(64|256)$/;

describe("tuneWebgpu", () => {
  it("times each class that the run has and no tile is known of, once, and leaks nothing", async () => {
    await initWebgpu({ tiles: memory() });
    const { numTensors, numDataBuffers } = tf.memory();
    const { tuned, left, notKept } = await tuneWebgpu(forward);
    expect(tuned.length).toBe(1);
    expect(left).toBe(0);
    expect(notKept).toBeUndefined();
    expect(tuned[0]!.tile).toMatch(TILE);
    expect(tuned[0]!.milliseconds).toBeGreaterThan(0);
    expect(tuned[0]!.milliseconds).toBeLessThanOrEqual(tuned[0]!.defaultMilliseconds);
    expect((await tuneWebgpu(forward)).tuned).toEqual([]);
    expect(tf.memory().numTensors).toBe(numTensors);
    expect(tf.memory().numDataBuffers).toBe(numDataBuffers);
  });

  it("keeps tiles in the storage that initWebgpu was given, and a later session has nothing left to do", async () => {
    const storage = memory();
    await initWebgpu({ tiles: storage });
    const [first] = (await tuneWebgpu(forward)).tuned;
    const [[key, text]] = [...storage.kept] as [[string, string]];
    expect(key).toMatch(/^webgpu-tiles-[a-z0-9-]+$/);
    expect(JSON.parse(text).tiles).toEqual({ [first!.name]: first!.tile });
    await initWebgpu({ tiles: storage });
    expect(await tuneWebgpu(forward)).toEqual({ tuned: [], left: 0 });
    // Tiles that another process has found meanwhile stay.
    storage.kept.set(key, JSON.stringify({ ...JSON.parse(text), tiles: { "another class": "32x8x16/64" } }));
    await initWebgpu({ tiles: storage });
    await tuneWebgpu(forward);
    expect(Object.keys(JSON.parse(storage.kept.get(key)!).tiles).sort()).toEqual([first!.name, "another class"].sort());
  });

  it("ignores what is damaged, another adapter's or no tile of the class, and writes it anew", async () => {
    const good = memory();
    await initWebgpu({ tiles: good });
    const { name } = (await tuneWebgpu(forward)).tuned[0]!;
    const { adapter } = JSON.parse([...good.kept.values()][0]!);
    for (const text of [
      "",
      "{",
      "null",
      "[]",
      JSON.stringify({ adapter, tiles: null }),
      JSON.stringify({ adapter: "another adapter", tiles: { [name]: "32x8x4/64" } }),
      JSON.stringify({ adapter, tiles: { [name]: "1024x1024x16/64" } }),
      JSON.stringify({ adapter, tiles: { [name]: 3 } }),
    ]) {
      const storage = memory(text);
      await initWebgpu({ tiles: storage });
      expect((await tuneWebgpu(forward)).tuned.length, text).toBe(1);
      const kept = JSON.parse([...storage.kept.values()][0]!);
      expect(kept.adapter).toBe(adapter);
      expect(kept.tiles[name]).toMatch(TILE);
    }
  });

  it("keeps a file per adapter in Node's cache folder, whole or not at all", async () => {
    await initWebgpu();
    await tuneWebgpu(forward);
    const files = readdirSync(cache);
    expect(files.length).toBe(1);
    const path = join(cache, files[0]!);
    const text = readFileSync(path, "utf8");
    writeFileSync(path, text.slice(0, 20));
    await initWebgpu();
    expect((await tuneWebgpu(forward)).tuned.length).toBe(1);
    expect(readdirSync(cache)).toEqual(files);
    expect(Object.keys(JSON.parse(readFileSync(path, "utf8")).tiles)).toEqual(Object.keys(JSON.parse(text).tiles));
  });

  it("says why tiles could not be kept, and uses them", async () => {
    await initWebgpu({
      tiles: {
        get: () => null,
        set: () => {
          throw new Error("the disk is full");
        },
      },
    });
    const report = await tuneWebgpu(forward);
    expect(report.notKept).toBe("the disk is full");
    expect(report.tuned.length).toBe(1);
    expect((await tuneWebgpu(forward)).tuned).toEqual([]);
  });

  it("leaves what there is no time for to the next call", async () => {
    const storage = memory();
    await initWebgpu({ tiles: storage });
    expect(await tuneWebgpu(forward, { seconds: 0 })).toEqual({ tuned: [], left: 1 });
    expect(storage.kept.size).toBe(0);
    expect((await tuneWebgpu(forward)).tuned.length).toBe(1);
    await expect(tuneWebgpu(forward, { seconds: -1 })).rejects.toThrow("tuneWebgpu: seconds must be");
  });

  it("refuses other backends and a second tuning at the same time, and passes the run's own error on", async () => {
    await expect(tuneWebgpu(() => tuneWebgpu(forward))).rejects.toThrow("being tuned already");
    const own = new Error("no batch");
    await expect(tuneWebgpu(() => Promise.reject(own))).rejects.toBe(own);
    await tf.setBackend("cpu");
    await expect(tuneWebgpu(forward)).rejects.toThrow("the backend is cpu: call initWebgpu first");
  });

  it("keeps nothing that was timed on a lost device", async () => {
    const storage = memory();
    await initWebgpu({ tiles: storage });
    (tf.backend() as unknown as WebGPUBackend).device.destroy();
    await expect(tuneWebgpu(forward)).rejects.toThrow("device was lost");
    expect(storage.kept.size).toBe(0);
  });

  const browser = findChromium();
  it.skipIf(!browser)(
    "keeps tiles in a browser's localStorage, for the next session there",
    async () => {
      const report = await runInChromium(
        browser!,
        `import "@tensorflow/tfjs";
import { initWebgpu, tuneWebgpu } from "@semiseg/webgpu";
import * as tf from "@tensorflow/tfjs-core";
const tiles = { get: (key) => localStorage.getItem(key), set: (key, value) => localStorage.setItem(key, value) };
const step = () => tf.tidy(() => void tf.conv3d(tf.ones([1, 5, 4, 4, 4]), tf.ones([1, 1, 1, 4, 3]), 1, "same"));
const session = async () => {
  await initWebgpu({ tiles });
  return (await tuneWebgpu(step)).tuned.length;
};
const tuned = [await session(), await session()];
const report = { tuned, keys: Object.keys(localStorage).map((key) => key.slice(0, 13)) };
await fetch("/report", { method: "POST", body: JSON.stringify(report) });`,
      );
      expect(report).toEqual({ tuned: [1, 0], keys: ["webgpu-tiles-"] });
    },
    120_000,
  );
});
