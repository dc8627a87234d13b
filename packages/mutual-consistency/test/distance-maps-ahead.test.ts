import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { signedDistances } from "@semiseg/mutual-consistency";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { distanceMapsAhead } from "../src/distance-maps-ahead.js";

/** The thread's module bundled as it is published: threads load JavaScript. */
const here = fileURLToPath(new URL("..", import.meta.url));
const built = join(here, "node_modules", `.distance-test-${process.pid}`);
const file = pathToFileURL(join(built, "distance-map-worker.js"));
beforeAll(async () => {
  mkdirSync(built, { recursive: true });
  await build({
    entryPoints: [join(here, "src/distance-map-worker.ts")],
    outdir: built,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    conditions: ["@semiseg/source"],
    external: ["@tensorflow/*"],
    logLevel: "error",
  });
});
afterAll(() => rmSync(built, { recursive: true, force: true }));

const shape = [2, 6, 5, 4];
const batch = (numClasses: number, offset = 0) => ({
  labels: Int32Array.from({ length: 240 }, (_, i) => (Math.floor((i + offset) / 7) * 5) % numClasses),
  shape,
  numClasses,
});

describe("distanceMapsAhead", () => {
  it("gives a map per sample and foreground class, channels last, in a thread as without one", () => {
    const labels = batch(3);
    const ahead = distanceMapsAhead(labels, file);
    const values = ahead.values();
    // What a thread wrote lies in memory that is shared with it.
    expect(values.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(ahead.values()).toBe(values);
    const own = distanceMapsAhead(labels).values();
    expect(own.buffer).not.toBeInstanceOf(SharedArrayBuffer);
    expect([...values]).toEqual([...own]);
    for (let n = 0; n < 2; n++)
      for (const c of [1, 2]) {
        const mask = labels.labels.slice(n * 120, (n + 1) * 120).map((label) => (label === c ? 1 : 0));
        const map = signedDistances(mask, shape.slice(1));
        for (let i = 0; i < 120; i++) expect(own[(n * 120 + i) * 2 + c - 1]).toBe(map[i]);
      }
  });

  it("makes several batches that are asked for together, in any order", () => {
    const several = [0, 3, 11].map((offset) => distanceMapsAhead(batch(2, offset), file));
    const alone = [0, 3, 11].map((offset) => distanceMapsAhead(batch(2, offset)).values());
    for (const i of [2, 0, 1]) expect([...several[i]!.values()]).toEqual([...alone[i]!]);
  });

  it("a class that a sample lacks is +1 everywhere", () => {
    const labels = { labels: new Int32Array(240), shape, numClasses: 2 };
    expect(
      distanceMapsAhead(labels, file)
        .values()
        .every((v) => v === 1),
    ).toBe(true);
  });
});
