import "@tensorflow/tfjs";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BackendError } from "@semiseg/errors";
import { initWebgpu } from "@semiseg/webgpu";
import * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readJsonLines, runPaths, train } from "../src/index.js";
import { tinyData, tinyMethod, tinyOptimizer } from "./helpers/tiny-run.js";

const maxSteps = 8;
let root = "";
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "semiseg-device-loss-"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Trains on a device of its own, which is destroyed after step `loseAfter`. */
async function trained(run: string, { resume = false, loseAfter = -1 } = {}): Promise<unknown> {
  await initWebgpu();
  const { device } = tf.backend() as unknown as { device: GPUDevice };
  return train({
    method: tinyMethod(),
    data: await tinyData(maxSteps),
    optimizer: tinyOptimizer(),
    maxSteps,
    run,
    resume,
    checkpoint: { every: 2 },
    progress: false,
    onStep: (step) => {
      if (step === loseAfter) device.destroy();
    },
  });
}
const losses = (run: string) =>
  readJsonLines(runPaths(run).metrics)
    .filter(({ kind }) => kind === "step")
    .map(({ step, loss }) => [step, loss]);

describe("a WebGPU device that is lost", () => {
  it("ends the run with a BackendError, and the resumed run has the losses of an undisturbed one", async () => {
    const [whole, cut] = [join(root, "whole"), join(root, "cut")];
    await trained(whole);
    const failure = await trained(cut, { loseAfter: 4 }).then(
      () => null,
      (error: Error) => error,
    );
    expect(failure).toBeInstanceOf(BackendError);
    expect(failure!.message).toMatch(/device was lost .*resume from the last checkpoint/);
    expect(losses(cut).length).toBe(5);
    expect(await trained(cut, { resume: true })).toMatchObject({ step: maxSteps, reason: "finished" });
    expect(losses(cut)).toEqual(losses(whole));
  });
});
