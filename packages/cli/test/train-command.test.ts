import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readVolume } from "@semiseg/data";
import { readJsonLines } from "@semiseg/training";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exitCodes } from "../src/index.js";
import { semiseg } from "./helpers/semiseg.js";

let folder = "";
let config = "";
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "semiseg-train-"));
  const phantoms = join(folder, "phantoms");
  const size = ["--train", "4", "--validation", "1", "--test", "2", "--shape", "18x16x16", "--organs", "2", "--json"];
  expect((await semiseg("data", "phantom", phantoms, ...size)).code).toBe(exitCodes.done);
  config = join(folder, "run.yaml");
  writeFileSync(
    config,
    `method: { name: mean-teacher }
network: { name: vnet, baseFilters: 2 }
data: { kind: msd, path: ${phantoms}, labeled: 2, patchSize: [16, 16, 16], workers: 0 }
batch: { labeled: 1, unlabeled: 1 }
optimizer: { name: sgd, learningRate: 0.01 }
maxSteps: 3
validation: { every: 2, pseudoLabels: 2 }
inference: { overlap: 0.25, mode: gaussian }
run: ${join(folder, "run")}
engine: cpu
`,
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("semiseg train, evaluate and predict", () => {
  it("train into a run folder with everything in it and test metrics of student and teacher, last and best", async () => {
    const { code, out, error } = await semiseg("train", "--config", config, "--json");
    expect(error).toBe("");
    expect(code).toBe(exitCodes.done);
    const result = JSON.parse(out);
    expect(result).toMatchObject({ step: 3, reason: "finished" });
    const models = result.evaluations.map((e: { model: object; part: string }) => [e.part, e.model]);
    for (const network of ["student", "teacher"])
      for (const selected of ["last", "best"])
        expect(models).toContainEqual(["test", expect.objectContaining({ network, selected })]);
    const run = join(folder, "run");
    for (const file of [
      "config.json",
      "split.json",
      "metrics.jsonl",
      "report.html",
      "evaluation.csv",
      "evaluation.json",
    ])
      expect(existsSync(join(run, file))).toBe(true);
    const report = readFileSync(join(run, "report.html"), "utf8");
    expect(report).toContain("teacher, best on validation");
    expect(report).toContain("data:image/png;base64,");
    expect(report).toContain("Labels given to unlabelled cases, against the hidden ones");
    const steps = readJsonLines(join(run, "metrics.jsonl")).filter((record) => record["kind"] === "step");
    expect(steps.map((record) => record["step"])).toEqual([0, 1, 2]);
    expect(Object.keys(steps[0]!["terms"] as object)).toEqual(["supervised", "consistency"]);
  }, 300_000);

  it("refuse a used folder and resume a finished run without training more", async () => {
    expect((await semiseg("train", "--config", config)).error).toContain("already holds a run");
    const resumed = await semiseg("train", "--resume", join(folder, "run"), "--no-evaluate", "--json");
    expect(JSON.parse(resumed.out)).toMatchObject({ step: 3, reason: "finished" });
  }, 300_000);

  it("predict files on their own grid, alone and as an ensemble", async () => {
    const run = join(folder, "run");
    const split = JSON.parse(readFileSync(join(run, "split.json"), "utf8"));
    const image = join(folder, "phantoms", "imagesTr", `${split.test[0]}.nii.gz`);
    const output = join(folder, "out");
    const { code, out } = await semiseg(
      "predict",
      image,
      "--run",
      run,
      "--run",
      run,
      "-o",
      output,
      "--engine",
      "cpu",
      "--json",
    );
    expect(code).toBe(exitCodes.done);
    const [written] = JSON.parse(out).written;
    const [source, prediction] = [await readVolume(image), await readVolume(written)];
    expect(prediction.shape).toEqual(source.shape.slice(0, 3));
    expect(prediction.spacing).toEqual(source.spacing);
    prediction.affine.forEach((value, i) => {
      expect(value).toBeCloseTo(source.affine[i]!, 4);
    });
    expect(Math.max(...prediction.data)).toBeLessThanOrEqual(2);
  }, 300_000);

  it("evaluate again on the validation cases, only the last step if asked", async () => {
    const run = join(folder, "run");
    const args = ["--part", "validation", "--selected", "last", "--engine", "cpu", "--json"];
    const { out } = await semiseg("evaluate", "--run", run, ...args);
    const evaluations = JSON.parse(out);
    expect(evaluations.map((e: { model: { selected: string }; part: string }) => [e.part, e.model.selected])).toEqual([
      ["validation", "last"],
      ["validation", "last"],
    ]);
  }, 300_000);
});
