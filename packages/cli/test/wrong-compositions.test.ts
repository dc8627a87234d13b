import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { vnet } from "@semiseg/backbones";
import { omniCorrelationTerm } from "@semiseg/correlation";
import { CompatibilityError } from "@semiseg/errors";
import { composeMethod, type MethodConfig, type Term } from "@semiseg/method";
import { RandomStream } from "@semiseg/nn";
import { supervisedTerm } from "@semiseg/presets";
import { initBackend } from "@semiseg/runtime";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exitCodes } from "../src/index.js";
import { semiseg } from "./helpers/semiseg.js";

let folder = "";
beforeAll(async () => {
  await initBackend({ prefer: "cpu", quiet: true });
  folder = mkdtempSync(join(tmpdir(), "semiseg-wrong-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function train(name: string, { method, network = "{}", labeled = "2", batch = "[2, 2]" }: Wrong) {
  const [first, second] = JSON.parse(batch) as [number, number];
  const config = join(folder, `${name}.yaml`);
  const run = join(folder, name);
  writeFileSync(
    config,
    `method: ${method}
network: ${network.replace("{", "{ baseFilters: 2, ")}
data: { kind: phantom, shape: [16, 16], organs: 2, train: 4, validation: 1, test: 1, labeled: ${labeled}, patchSize: [16, 16], workers: 0 }
batch: { labeled: ${first}, unlabeled: ${second} }
maxSteps: 1
run: ${run}
engine: cpu
`,
  );
  const { code, error } = await semiseg("train", "--config", config, "--json");
  return { code, error: error.trim(), run };
}

interface Wrong {
  readonly method: string;
  readonly network?: string;
  readonly labeled?: string;
  /** Labelled and unlabelled samples. */
  readonly batch?: string;
}
const mix = (terms: string, more = ""): string => `{ name: custom, ${more}terms: [{ term: supervised }, ${terms}] }`;

/** What is wrong, the parts that the error names, and its remedy. */
const inFiles: readonly [string, Wrong, readonly string[]][] = [
  [
    "a teacher's term without a teacher",
    { method: mix("{ term: teacher-consistency }") },
    ["'intra-task consistency'", "a teacher", "set method.teacher"],
  ],
  [
    "a teacher's term with the moving average switched off",
    { method: mix("{ term: teacher-consistency }", "teacher: { decay: 0 }, ") },
    ["'intra-task consistency'", "teacher.decay 0", "set teacher.decay to 0.99"],
  ],
  [
    "the same in a preset",
    { method: "{ name: ua-mt, teacher: { decay: 0 } }" },
    ["'consistency'", "teacher.decay 0", "set teacher.decay to 0.99"],
  ],
  [
    "a distance map without a distance head",
    { method: mix("{ term: distance-map }") },
    ["'distance map'", "student", "heads: ['distance']"],
  ],
  [
    "cross-task consistency without a distance head",
    { method: mix("{ term: cross-task }") },
    ["'cross-task consistency'", "student", "heads: ['distance']"],
  ],
  [
    "prototypes without deep supervision",
    { method: mix("{ term: prototype-alignment }", "teacher: {}, ") },
    ["'prototype alignment'", "student", "deepSupervision: true"],
  ],
  [
    "consistency between decoders of a network with one",
    { method: mix("{ term: mutual-consistency }") },
    ["'mutual consistency'", "student", "decoders: ['transposed', 'trilinear']"],
  ],
  [
    "Monte Carlo dropout without dropout",
    { method: mix("{ term: teacher-consistency, uncertainty: true }", "teacher: {}, "), network: "{ dropout: 0 }" },
    ["'intra-task consistency'", "teacher", "a dropout rate above 0"],
  ],
  [
    "Monte Carlo dropout of a teacher that does not drop",
    { method: mix("{ term: teacher-consistency, uncertainty: true }", "teacher: { mode: eval }, ") },
    ["'intra-task consistency'", "teacher", "set teacher.mode to 'train'"],
  ],
  [
    "cross pseudo supervision with one network",
    { method: mix("{ term: cross-pseudo-supervision }") },
    ["'cross pseudo supervision'", "an auxiliary network", "set method.auxiliary"],
  ],
  [
    "supervision of an auxiliary network that is not there",
    { method: mix("{ term: supervised, of: auxiliary }") },
    ["'supervised auxiliary'", "an auxiliary network", "set method.auxiliary"],
  ],
  ["two terms of one name", { method: mix("{ term: supervised }") }, ["two terms", "'supervised'", "rename one"]],
  [
    "one pass per half and one pass over all",
    {
      method: mix(
        "{ term: deep-supervised, name: a, passes: separate }, { term: deep-supervised, name: b, passes: joint }",
      ),
      network: "{ deepSupervision: true }",
    },
    ["'a'", "'b'", "use only one of them"],
  ],
  [
    "a term for unlabelled images where every case is labelled",
    {
      method: mix("{ term: certain-pseudo-labels }", "teacher: {}, "),
      network: "{ deepSupervision: true }",
      labeled: "all",
    },
    ["'certain pseudo-labels'", "a batch holds none", "fewer labelled cases (data.labeled)"],
  ],
  [
    "a term for unlabelled images in batches without any",
    { method: mix("{ term: teacher-consistency, on: unlabeled }", "teacher: {}, "), batch: "[2, 0]" },
    ["'intra-task consistency'", "a batch holds none", "set batch.unlabeled above 0"],
  ],
  [
    "fused images of unequal halves",
    { method: mix("{ term: fused-images }", "teacher: {}, "), network: "{ deepSupervision: true }", batch: "[2, 1]" },
    ["'fused images'", "2 labelled and 1 unlabelled", "set batch.unlabeled to 2"],
  ],
  [
    "correlations in batches of one sample",
    { method: mix("{ term: omni-correlation }", "auxiliary: {}, "), batch: "[1, 0]" },
    ["'omni correlation'", "a batch holds 1", "raise batch.labeled or batch.unlabeled"],
  ],
  [
    "affinity of gated skips without attention gates",
    { method: mix("{ term: structural-affinity }") },
    ["'structural affinity'", "student", "attentionGates: true"],
  ],
  [
    "affinity gated by the uncertainty of no teacher",
    { method: mix("{ term: contextual-affinity, uncertainty: true }") },
    ["'contextual affinity'", "a teacher", "set method.teacher"],
  ],
  [
    "a term left out that is not there",
    { method: "{ name: mean-teacher, without: [consistancy] }" },
    ["mean-teacher", "'consistancy'", "its terms are: supervised, consistency"],
  ],
];

const term = (needs: Term["needs"]): Term => ({ ...supervisedTerm(), name: "t", needs });
const flat = (more: object = {}) => vnet({ spatialDims: 2, baseFilters: 2, outChannels: 3, ...more });
const one = (terms: readonly Term[], more: object = {}) => ({ student: flat(), terms, ...more });

/** Wrong in ways that a configuration file cannot be. */
const inCode: readonly [string, () => Omit<MethodConfig, "name">, readonly string[]][] = [
  [
    "a softmax over one class",
    () => {
      const student = flat();
      return one([supervisedTerm()], { student: { ...student, provides: { ...student.provides, classes: 1 } } });
    },
    ["'supervised'", "the student has 1 output class", "outChannels: 2"],
  ],
  ["a binary formula on three classes", () => one([term({ classes: { max: 2 } })]), ["'t'", "student", "multi-class"]],
  [
    "too few scales",
    () => one([term({ scales: 5 })], { student: flat({ deepSupervision: true }) }),
    ["'t'", "5 deep-supervision scales (it has 4)", "deepSupervision: true"],
  ],
  [
    "gated features of a network without gates",
    () => one([term({ features: ["gated"] })]),
    ["'t'", "student", "attentionGates: true"],
  ],
  [
    "a 3-D term on a 2-D network",
    () => one([term({ spatialDims: [3] })]),
    ["'t'", "3-D data (it is 2-D)", "another backbone"],
  ],
  [
    "an auxiliary network of another rank",
    () => one([supervisedTerm()], { auxiliary: flat({ spatialDims: 3 }) }),
    ["auxiliary network has 3 spatial axes", "the student 2", "same spatialDims"],
  ],
  [
    "an auxiliary network of other classes",
    () => one([supervisedTerm()], { auxiliary: flat({ outChannels: 2 }) }),
    ["auxiliary network has 2 classes", "the student 3", "same outChannels"],
  ],
  [
    "the student as its own auxiliary network",
    () => {
      const student = flat();
      return { student, auxiliary: student, terms: [supervisedTerm()] };
    },
    ["auxiliary network", "the student itself", "another seed"],
  ],
  [
    "correlations of embeddings of another width",
    () =>
      one([omniCorrelationTerm({ channels: 7, numClasses: 3, random: new RandomStream(1) })], {
        auxiliary: flat({ seed: 1 }),
      }),
    ["'omni correlation'", "student network", "an embedding of 7 channels (it has 2)"],
  ],
  ["nothing to learn", () => one([]), ["no terms", "add one"]],
];

describe("wrong compositions", () => {
  it.each(inFiles.map(([title, wrong, words], i) => ({ title, wrong, words, i })))(
    "are refused before the first step: $title",
    async ({ wrong, words, i }) => {
      const { code, error, run } = await train(`wrong-${i}`, wrong);
      expect(error.split("\n")).toHaveLength(1);
      for (const word of words) expect(error).toContain(word);
      expect(code).toBe(exitCodes.usage);
      expect(existsSync(run)).toBe(false);
    },
  );

  it.each(inCode.map(([title, config, words]) => ({ title, config, words })))(
    "are refused when they are composed: $title",
    ({ config, words }) => {
      const compose = () => composeMethod({ name: "mix", ...config() });
      expect(compose).toThrow(CompatibilityError);
      for (const word of words) expect(compose).toThrow(word);
    },
  );
});
