import { mkdtempSync, readdirSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CheckpointError, OptionError } from "@semiseg/errors";
import { eachBackend } from "@semiseg/test-utils";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeEach, expect, it } from "vitest";
import {
  checkpointSteps,
  DivergenceError,
  loadMethod,
  readJsonLines,
  readRunJson,
  runPaths,
  type TrainOptions,
  type TrainResult,
  train,
} from "../src/index.js";
import { consistencyTerm, supervisedTerm, tinyData, tinyMethod, tinyOptimizer } from "./helpers/tiny-run.js";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "semiseg-train-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** One process's worth of training: everything new but the folder. */
async function run(maxSteps: number, more: Partial<TrainOptions> = {}): Promise<TrainResult> {
  const method = more.method ?? tinyMethod();
  try {
    return await train({
      method,
      data: await tinyData(maxSteps),
      optimizer: tinyOptimizer(),
      maxSteps,
      run: folder,
      seed: 7,
      progress: false,
      checkpoint: { every: 4 },
      ...more,
    });
  } finally {
    if (!more.method) method.dispose();
  }
}

const steps = (at = folder) => readJsonLines(runPaths(at).metrics).filter((record) => record["kind"] === "step");
const losses = (at = folder) => steps(at).map(({ step, loss, terms }) => ({ step, loss, terms }));

/** A run that is stopped after `step` steps, as Ctrl-C does. */
function stopAfter(step: number): Pick<TrainOptions, "signal" | "onStep"> {
  const controller = new AbortController();
  return { signal: controller.signal, onStep: (done) => done + 1 === step && controller.abort() };
}

eachBackend("train", () => {
  it("loadMethod gives a new method the weights of the run, teacher included, at the last step or an earlier one", async () => {
    const trained = tinyMethod();
    await run(8, { method: trained });
    const fresh = tinyMethod();
    expect(await loadMethod(fresh, folder)).toBe(8);
    for (const [own, other] of [
      [fresh.student, trained.student],
      [fresh.teacher!.network, trained.teacher!.network],
    ] as const)
      for (const [name, variable] of own.named)
        expect(variable.dataSync(), name).toEqual(other.named.get(name)!.dataSync());
    expect(await loadMethod(fresh, folder, { step: 4 })).toBe(4);
    expect(
      [...fresh.student.named].some(([name, v]) => v.dataSync()[0] !== trained.student.named.get(name)!.dataSync()[0]),
    ).toBe(true);
    await expect(loadMethod(fresh, join(folder, "nothing"))).rejects.toThrow(CheckpointError);
    fresh.dispose();
    trained.dispose();
  });

  it("learns, logs every term of every step and leaves a checkpoint of the last one", async () => {
    const result = await run(30);
    expect(result).toMatchObject({ step: 30, reason: "finished" });
    const records = steps();
    expect(records.map((record) => record["step"])).toEqual(Array.from({ length: 30 }, (_, i) => i));
    for (const record of records) {
      const { ce, consistency } = record["terms"] as Record<
        string,
        { value: number; weight: number; weighted: number }
      >;
      expect(consistency!.weight).toBe(Math.min(1, Number(record["step"]) / 5));
      expect(ce!.weighted + consistency!.weighted).toBeCloseTo(Number(record["loss"]), 5);
      expect(record["gradientNorm"]).toBeGreaterThan(0);
      expect(record["lr"]).toBeCloseTo(0.1 * 0.95 ** Number(record["step"]), 12);
      expect(record["stepsPerSecond"]).toBeGreaterThan(0);
    }
    const ce = (from: number, to: number): number =>
      records.slice(from, to).reduce((sum, r) => sum + (r["terms"] as { ce: { value: number } }).ce.value, 0) /
      (to - from);
    expect(ce(25, 30)).toBeLessThan(0.8 * ce(0, 5));
    expect(checkpointSteps(runPaths(folder).checkpoints)).toEqual([28, 30]);
    expect(readRunJson(runPaths(folder).split)).toEqual({ labeled: expect.any(Array) });
  });

  it("gives the same losses again from the same seed, and others from another", async () => {
    await run(6);
    const first = losses();
    rmSync(folder, { recursive: true });
    await run(6);
    expect(losses()).toEqual(first);
    rmSync(folder, { recursive: true });
    await run(6, { seed: 8 });
    expect(losses()).not.toEqual(first);
  });

  it("goes on after a stop with exactly the losses of an uninterrupted run", async () => {
    await run(12);
    const whole = losses();
    rmSync(folder, { recursive: true });
    for (const stop of [3, 4, 9]) {
      const result = await run(12, { ...stopAfter(stop), resume: true });
      expect(result).toMatchObject({ step: stop, reason: "stopped" });
    }
    expect(await run(12, { resume: true })).toMatchObject({ step: 12, reason: "finished" });
    expect(losses()).toEqual(whole);
  });

  it("hears a signal of the operating system between two steps, and stops there", async () => {
    const controller = new AbortController();
    const hear = (): void => controller.abort();
    process.once("SIGUSR2", hear);
    const onStep = (step: number): void => {
      if (step === 1) process.kill(process.pid, "SIGUSR2");
    };
    try {
      const result = await run(400, { signal: controller.signal, onStep });
      expect(result.reason).toBe("stopped");
      expect(result.step).toBeLessThan(200);
    } finally {
      process.off("SIGUSR2", hear);
    }
  });

  it("goes on from the checkpoint before when the last is truncated, and the losses stay the same", async () => {
    await run(12);
    const whole = losses();
    rmSync(folder, { recursive: true });
    await run(12, stopAfter(10));
    truncateSync(join(runPaths(folder).checkpoints, "step-00000010", "optimizer.safetensors"), 40);
    const warnings: string[] = [];
    await run(12, { resume: true, onWarning: (message) => warnings.push(message) });
    expect(warnings[0]).toContain("step 10");
    expect(losses()).toEqual(whole);
  });

  it("does nothing more when a finished run is resumed", async () => {
    await run(4);
    const before = losses();
    expect(await run(4, { resume: true })).toMatchObject({ step: 4, reason: "finished" });
    expect(losses()).toEqual(before);
  });

  it("validates student and teacher and keeps the best checkpoint of each beside the last two", async () => {
    const result = await run(12, { validation: { every: 2 }, checkpoint: { every: 2 } });
    const found = readJsonLines(runPaths(folder).metrics).filter((record) => record["kind"] === "validation");
    expect(found.map((record) => record["step"])).toEqual([2, 4, 6, 8, 10, 12]);
    for (const network of ["student", "teacher"]) {
      const dice = found.map((record) => (record["dice"] as Record<string, number>)[network]!);
      const best = dice.indexOf(Math.max(...dice));
      expect(result.best[network]).toEqual({ step: 2 * (best + 1), dice: dice[best] });
      expect(checkpointSteps(runPaths(folder).checkpoints)).toContain(2 * (best + 1));
    }
    expect(checkpointSteps(runPaths(folder).checkpoints)).toEqual(expect.arrayContaining([10, 12]));
  });

  it("validation changes no loss", async () => {
    await run(6);
    const without = losses();
    rmSync(folder, { recursive: true });
    await run(6, { validation: { every: 1 } });
    expect(losses()).toEqual(without);
  });

  it("logs the gradient norm of each term when asked to, and that changes no loss", async () => {
    await run(4);
    const without = losses().map(({ loss }) => loss);
    rmSync(folder, { recursive: true });
    await run(4, { gradientNorms: true });
    expect(losses().map(({ loss }) => loss)).toEqual(without);
    for (const record of steps().slice(1))
      for (const term of Object.values(record["terms"] as Record<string, { gradientNorm: number }>))
        expect(term.gradientNorm).toBeGreaterThan(0);
  });

  it("stops at a loss that is not finite, names the term and keeps the last good checkpoint", async () => {
    const bad = {
      ...consistencyTerm(),
      name: "culprit",
      weight: () => 1,
      loss: ({ step }: { step: number }) => tf.scalar(step < 6 ? 0 : Number.NaN),
    };
    const error = await run(12, { method: tinyMethod([supervisedTerm(), bad as never]) }).catch((e) => e);
    expect(error).toBeInstanceOf(DivergenceError);
    expect(error).toMatchObject({ step: 6, terms: ["culprit"] });
    expect(checkpointSteps(runPaths(folder).checkpoints)).toEqual([4]);
    expect(readJsonLines(runPaths(folder).metrics).at(-1)).toMatchObject({ event: "diverged", step: 6 });
  });

  it("stops at a gradient that is not finite although the loss is", async () => {
    const bad = {
      ...supervisedTerm(),
      name: "culprit",
      loss: ({ student }: never) => {
        const { logits } = (student as { all(): { logits: tf.Tensor } }).all();
        return tf.mean(tf.sqrt(tf.mul(logits, 0))); // 0, with a gradient of 0 / 0
      },
    };
    const error = await run(3, { method: tinyMethod([supervisedTerm(), bad as never]) }).catch((e) => e);
    expect(error).toBeInstanceOf(DivergenceError);
    expect(error.terms).toEqual(["culprit"]);
  });

  it("refuses a used folder, a checkpoint of another method and options that make no sense", async () => {
    await run(4);
    await expect(run(4)).rejects.toThrow(OptionError);
    const other = { ...tinyMethod(), name: "other" };
    await expect(run(8, { resume: true, method: other })).rejects.toThrow(CheckpointError);
    await expect(run(0, { resume: true })).rejects.toThrow(OptionError);
    const { validation: _, ...data } = await tinyData(4);
    await expect(run(8, { resume: true, data, validation: { every: 1 } })).rejects.toThrow(OptionError);
    expect(readdirSync(folder)).not.toContain("running.pid");
  });

  it("leaves no tensor behind from step to step", async () => {
    const counts: number[] = [];
    await run(8, { onStep: () => counts.push(tf.memory().numTensors) });
    expect(counts.at(-1)).toBe(counts[3]);
  });
});
