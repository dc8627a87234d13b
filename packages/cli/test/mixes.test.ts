import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { initBackend } from "@semiseg/runtime";
import { testBackends } from "@semiseg/test-utils";
import { readJsonLines } from "@semiseg/training";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseConfig, trainConfigured } from "../src/index.js";

const mixes = new URL("../../../examples/mixes/", import.meta.url);
const names = readdirSync(mixes).filter((name) => name.endsWith(".yaml"));
let folder = "";
beforeAll(async () => {
  await initBackend({ prefer: testBackends.at(-1) as "cpu", quiet: true });
  folder = mkdtempSync(join(tmpdir(), "semiseg-mixes-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface StepRecord {
  readonly kind: string;
  readonly loss: number;
  readonly terms: Readonly<Record<string, { readonly value: number; readonly gradientNorm?: number }>>;
}

describe("mixes of terms from several papers", () => {
  // All their 50 steps at full size: benchmarks/mixes.
  it.each(names)("%s trains on phantoms, with a gradient from every term", async (name) => {
    const set = [
      "data.shape=[16,16]",
      "data.patchSize=[16,16]",
      "data.workers=0",
      "network.baseFilters=2",
      "maxSteps=2",
    ];
    const config = parseConfig(readFileSync(new URL(name, mixes), "utf8"), name, {
      set: [...set, `run=${JSON.stringify(join(folder, name))}`],
    });
    const output = { json: true, say: () => {}, warn: () => {}, result: () => {} };
    await trainConfigured(config, { resume: false, output });
    const steps = readJsonLines(join(folder, name, "metrics.jsonl")) as unknown as StepRecord[];
    const losses = steps.filter(({ kind }) => kind === "step");
    expect(losses).toHaveLength(2);
    for (const { loss, terms } of losses) {
      expect(Number.isFinite(loss)).toBe(true);
      expect(Object.keys(terms).length).toBeGreaterThan(2);
    }
    for (const term of Object.keys(losses[0]!.terms))
      expect(Math.max(...losses.map(({ terms }) => terms[term]!.gradientNorm ?? 0)), term).toBeGreaterThan(0);
  });
});
