import { type ChildProcess, fork } from "node:child_process";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openDataset, prepareCase, writePhantomDataset } from "@semiseg/data";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CaseStore } from "../src/loader/case-store.js";
import { tempFolder } from "./helpers/temp-folder.js";

/** Processes of their own, which prepare every case of a set into a cache folder, over and over. */
const here = fileURLToPath(new URL("..", import.meta.url));
const built = join(here, "node_modules", `.cache-test-${process.pid}`);
const source = `
  import { openDataset } from "../src/index.js";
  import { CaseStore } from "../src/loader/case-store.js";
  import { rmSync, readdirSync } from "node:fs";
  const [path, cache, rounds] = process.argv.slice(2);
  const dataset = await openDataset({ kind: "msd", path });
  for (let n = 0; n < Number(rounds); n++) {
    if (n > 0) for (const f of readdirSync(cache).filter((f) => f.endsWith(".case"))) rmSync(cache + "/" + f, { force: true });
    for (const { id } of dataset.cases) {
      const { image } = await new CaseStore(dataset, undefined, 1e9, cache).get(id);
      process.send(image.reduce((a, b) => a + Math.abs(b), 0));
    }
  }
`;
beforeAll(async () => {
  mkdirSync(built, { recursive: true });
  await build({
    stdin: { contents: source, resolveDir: join(here, "test"), loader: "ts" },
    outfile: join(built, "writer.mjs"),
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    conditions: ["@semiseg/source"],
    logLevel: "error",
  });
});
afterAll(() => rmSync(built, { recursive: true, force: true }));

const root = tempFolder();
const start = (...args: string[]): ChildProcess => fork(join(built, "writer.mjs"), args, { execArgv: [] });
const ended = (child: ChildProcess) => new Promise<number | null>((done) => child.once("exit", done));

describe("the cache of prepared cases, between processes", () => {
  it("gives two processes that fill one folder at the same time the same cases", async () => {
    const path = join(root, "two");
    await writePhantomDataset(path, { shape: [24, 24, 12], train: 3, validation: 0, test: 0 });
    const cache = join(path, "cache");
    const sums: number[][] = [[], []];
    const children = [0, 1].map((n) => {
      const child = start(path, cache, "4");
      child.on("message", (sum) => void sums[n]!.push(sum as number));
      return child;
    });
    expect(await Promise.all(children.map(ended))).toEqual([0, 0]);
    expect(sums[0]).toHaveLength(12);
    expect(sums[0]).toEqual(sums[1]);
    expect(sums[0]!.slice(0, 3)).toEqual(sums[0]!.slice(3, 6));
  });

  it("is whole after a process was killed while it wrote: later runs get every case", async () => {
    const path = join(root, "killed");
    await writePhantomDataset(path, { shape: [32, 32, 24], train: 2, validation: 0, test: 0 });
    const dataset = await openDataset({ kind: "msd", path });
    const cache = join(path, "cache");
    const fresh = await Promise.all(dataset.cases.map((c) => prepareCase(dataset, c.id)));
    for (let n = 0; n < 3; n++) {
      const child = start(path, cache, "1000");
      const gone = ended(child);
      await new Promise((seen) => child.once("message", seen));
      await new Promise((later) => setTimeout(later, 11 * n)); // at other moments of writing
      child.kill("SIGKILL");
      await gone;
      for (const [i, { id }] of dataset.cases.entries()) {
        const kept = await new CaseStore(dataset, undefined, 1e9, cache).get(id);
        expect(Buffer.compare(Buffer.from(kept.image.buffer), Buffer.from(fresh[i]!.image.buffer))).toBe(0);
        expect(kept.labels).toEqual(fresh[i]!.labels);
      }
    }
    expect(readdirSync(cache).filter((f) => f.endsWith(".case"))).toHaveLength(2);
  });
});
