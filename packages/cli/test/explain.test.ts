import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exitCodes } from "../src/index.js";
import { semiseg } from "./helpers/semiseg.js";

let folder = "";
let config = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "semiseg-explain-"));
  config = join(folder, "run.yaml");
  writeFileSync(
    config,
    `method:
  name: custom
  title: mine
  teacher: { decay: 0.99 }
  auxiliary: {}
  terms:
    - { term: supervised }
    - { term: teacher-consistency, on: unlabeled }
    - { term: omni-correlation, width: 8 }
    - { term: prototype-alignment, warmUpSteps: 50 }
network: { baseFilters: 4, deepSupervision: true, heads: [distance] }
data: { kind: phantom, shape: [16, 16], organs: 2, train: 4, validation: 1, test: 1, labeled: 2, patchSize: [16, 16] }
batch: { labeled: 1, unlabeled: 1 }
maxSteps: 100
run: unused
`,
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("semiseg explain", () => {
  it("tells parts, weights over time and what every term reads, found by running it", async () => {
    const { out } = await semiseg("explain", config, "--json");
    const value = JSON.parse(out) as {
      parts: { name: string; parameters: number; atTest: string }[];
      terms: {
        name: string;
        weights: Record<string, number>;
        reads: { from: string; view: string; tensor: string }[];
      }[];
    };
    expect(value).toMatchObject({ name: "mine", passes: "joint", data: { labeled: 2, train: 4, test: 1 } });
    expect(value.parts.map(({ name, atTest }) => `${name}: ${atTest}`)).toEqual([
      "student: kept",
      "teacher: dropped",
      "auxiliary: dropped",
      "omni correlation / student: dropped",
      "omni correlation / auxiliary: dropped",
    ]);
    expect(value.parts[0]!.parameters).toBe(value.parts[1]!.parameters);
    const reads = (term: string) =>
      value.terms
        .find(({ name }) => name === term)!
        .reads.map(({ from, view, tensor }) => `${from}, ${view}: ${tensor}`)
        .sort();
    expect(reads("supervised")).toEqual(["batch, labelled: labels", "student, labelled: logits"]);
    expect(reads("intra-task consistency")).toEqual([
      "student, unlabelled: logits",
      "teacher, noisy unlabelled: logits",
    ]);
    for (const network of ["student", "auxiliary"])
      expect(reads("omni correlation").join()).toMatch(new RegExp(`${network}, [^:]+: x9`));
    expect(reads("prototype alignment")).toContain("teacher, unlabelled: scale0");
    const prototypes = value.terms.find(({ name }) => name === "prototype alignment")!;
    expect(prototypes.weights).toEqual({ 0: 0, 25: 0, 50: 0.1, 99: 0.1 });
  });

  it("draws it for a terminal and for Mermaid", async () => {
    const { out } = await semiseg("explain", config);
    expect(out).toMatch(/prototype alignment +0 +0 +0\.1 +0\.1 +\S/);
    expect(out).toMatch(/│ student +├─ .*──> supervised/);
    expect(out).toMatch(/teacher +[\d,]+ +dropped +moving average of the student, decay 0\.99/);
    expect(out).toContain("2 labelled of 4 training cases; 1 labelled and 1 unlabelled samples in a batch");
    const mermaid = (await semiseg("explain", config, "--format", "mermaid")).out;
    expect(mermaid.split("\n")[0]).toBe("flowchart LR");
    expect(mermaid).toContain('student -. "moving average" .-> teacher');
    expect(mermaid).toContain('student -- "unlabelled: logits" --> term1');
    // Every arrow ends at a node that is there.
    for (const [, id] of mermaid.matchAll(/-->|-> (\w+)$/gm))
      if (id) expect(mermaid).toMatch(new RegExp(`^ {2}${id}[[(]`, "m"));
  });

  it("refuses what train would refuse", async () => {
    const wrong = await semiseg("explain", config, "--set", "batch.unlabeled=0");
    expect(wrong.code).toBe(exitCodes.usage);
    expect(wrong.error).toContain("a batch holds none");
    expect((await semiseg("explain", config, "--set", "method.name=none")).error).toContain(
      "method.name: must be one of supervised",
    );
    expect((await semiseg("explain")).error).toContain("give --config");
  });
});

describe("semiseg schema", () => {
  it("prints the schemas of both files, or writes them into a folder", async () => {
    const [run, sweep] = [(await semiseg("schema")).out, (await semiseg("schema", "sweep")).out];
    const terms = JSON.parse(run).properties.method.oneOf.find(
      (m: { properties: { name: { const: string } } }) => m.properties.name.const === "custom",
    ).properties.terms;
    expect(JSON.stringify(terms)).toContain('"omni-correlation"');
    expect(JSON.parse(sweep).required).toEqual(["base", "out", "variants"]);
    expect((await semiseg("schema", "--folder", folder)).code).toBe(exitCodes.done);
    expect(readFileSync(join(folder, "sweep.schema.json"), "utf8")).toBe(sweep);
    expect((await semiseg("schema", "none")).code).toBe(exitCodes.usage);
  });
});
