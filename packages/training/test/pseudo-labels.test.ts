import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readCase } from "@semiseg/data";
import { OptionError } from "@semiseg/errors";
import type { Network } from "@semiseg/nn";
import { eachBackend } from "@semiseg/test-utils";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeEach, expect, it } from "vitest";
import {
  type EvaluationCases,
  evaluationCases,
  readJsonLines,
  runPaths,
  type TrainOptions,
  train,
} from "../src/index.js";
import { measurePseudoLabels } from "../src/train/measure-pseudo-labels.js";
import { tinyNetwork } from "./helpers/tiny-network.js";
import { tinyData, tinyDataset, tinyMethod, tinyOptimizer } from "./helpers/tiny-run.js";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "semiseg-pseudo-labels-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function hiddenCases(): Promise<EvaluationCases> {
  const dataset = await tinyDataset();
  return evaluationCases(dataset, { part: "unlabelled", ids: dataset.splits!.train.slice(2) });
}

/** The same cases with other labels. */
const relabelled = (cases: EvaluationCases): EvaluationCases => ({
  ...cases,
  async read(id) {
    const { raw, prepared } = await cases.read(id);
    const label = raw.label!;
    return {
      raw: { ...raw, label: { ...label, data: label.data.map((value) => (value + 1) % 3) as never } },
      prepared,
    };
  },
});

async function trained(run: string, hidden?: EvaluationCases) {
  const method = tinyMethod();
  const options: TrainOptions = {
    method,
    data: { ...(await tinyData(6)), ...(hidden ? { hidden } : {}) },
    optimizer: tinyOptimizer(),
    maxSteps: 6,
    run: join(folder, run),
    progress: false,
    ...(hidden ? { pseudoLabels: { every: 4 } } : {}),
  };
  try {
    await train(options);
  } finally {
    method.dispose();
  }
  const records = readJsonLines(runPaths(join(folder, run)).metrics);
  const of = (kind: string) => records.filter((record) => record["kind"] === kind);
  return { losses: of("step").map(({ loss, terms }) => ({ loss, terms })), found: of("pseudo-labels") };
}

eachBackend("pseudo-labels", () => {
  it("of a network that calls every voxel class 1 are right where class 1 is", async () => {
    const network = tinyNetwork(3);
    const always: Network = {
      ...network,
      apply: (x) => ({
        logits: tf.mul(tf.ones([...x.shape.slice(0, -1), 3]), [0, 9, 0]),
        features: {},
        heads: {},
      }),
    };
    const cases = await hiddenCases();
    const dataset = await tinyDataset();
    let [ones, twos, all] = [0, 0, 0];
    for (const id of cases.ids)
      for (const value of (await readCase(dataset, id)).label!.data) {
        ones += Number(value === 1);
        twos += Number(value === 2);
        all++;
      }
    expect(twos).toBeGreaterThan(0);
    const record = await measurePseudoLabels({ student: always }, cases, 5, { inference: {} });
    expect(record).toMatchObject({ step: 5, cases: 4 });
    // Nothing is called class 2, which so has no precision, and a recall of 0.
    expect(record!.precision["student"]).toBeCloseTo(ones / all, 12);
    expect(record!.recall["student"]).toBe(0.5);
    network.dispose();
  });

  it("are logged at the given steps and after the last, and change nothing in the run", async () => {
    const [without, logged, other] = [
      await trained("without"),
      await trained("logged", await hiddenCases()),
      await trained("other", relabelled(await hiddenCases())),
    ];
    expect(logged.losses).toEqual(without.losses);
    expect(other.losses).toEqual(without.losses);
    expect(logged.found.map(({ step, cases }) => [step, cases])).toEqual([
      [4, 4],
      [6, 4],
    ]);
    expect(Object.keys(logged.found[0]!["precision"] as object)).toEqual(["student", "teacher"]);
    expect(other.found[0]!["precision"]).not.toEqual(logged.found[0]!["precision"]);
  });

  it("need cases with hidden labels", async () => {
    const method = tinyMethod();
    const data = await tinyData(1);
    const options = { method, data, optimizer: tinyOptimizer(), maxSteps: 1, run: join(folder, "x") };
    await expect(train({ ...options, pseudoLabels: { every: 1 } })).rejects.toThrow(OptionError);
    await expect(train({ ...options, pseudoLabels: { every: 1 } })).rejects.toThrow(/data\.hidden/);
    method.dispose();
  });
});
