import "@tensorflow/tfjs";
import { OptionError } from "@semiseg/errors";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { buildOptimizer, learningRateOf, parseConfig, type RunConfig } from "../src/index.js";

const config = (optimizer: string): RunConfig =>
  parseConfig(
    `{ method: { name: supervised }, maxSteps: 100, run: x, data: { kind: phantom, patchSize: [8, 8] }, optimizer: ${optimizer} }`,
    "run.yaml",
  );

beforeAll(async () => {
  await tf.setBackend("cpu");
});

describe("learningRateOf", () => {
  it("follows the schedule", () => {
    const at = (schedule: string, step: number): number =>
      learningRateOf(config(`{ learningRate: 0.5, schedule: ${schedule} }`))(step);
    expect(at("{ name: constant }", 99)).toBe(0.5);
    expect(at("{ name: poly }", 50)).toBeCloseTo(0.5 * 0.5 ** 0.9, 12);
    expect(at("{ name: cosine }", 50)).toBeCloseTo(0.25, 12);
    expect(at("{ name: step, every: 10, factor: 0.5 }", 25)).toBeCloseTo(0.125, 12);
    expect(at("{ name: constant, warmupSteps: 10 }", 4)).toBeCloseTo(0.25, 12);
  });

  it("falls once an epoch where poly is told its steps", () => {
    const base = config("{ learningRate: 0.01, schedule: { name: poly, every: 8 } }");
    const rate = learningRateOf({ ...base, maxSteps: 6000 });
    for (const [epoch, want] of [
      [0, 0.01],
      [1, 0.0099880152],
      [375, 0.005365289],
      [749, 4.8178e-5],
    ] as const)
      for (const step of [8 * epoch, 8 * epoch + 7]) expect(rate(step)).toBeCloseTo(want, 9);
  });
});

describe("buildOptimizer", () => {
  it("clips the whole gradient to the given norm", () => {
    const optimizer = buildOptimizer(config("{ learningRate: 1, momentum: 0, weightDecay: 0, clipNorm: 5 }"));
    const [a, b] = [tf.variable(tf.tensor([0])), tf.variable(tf.tensor([0]))];
    optimizer.apply(
      { a: tf.tensor([30]), b: tf.tensor([40]) },
      new Map([
        ["a", a],
        ["b", b],
      ]),
      0,
    );
    expect(a.dataSync()[0]).toBeCloseTo(-3, 5);
    expect(b.dataSync()[0]).toBeCloseTo(-4, 5);
    expect(optimizer.rate(0)).toBe(1);
    optimizer.dispose();
  });

  it("throws OptionError for settings of another optimizer", () => {
    expect(() => buildOptimizer(config("{ name: adamw, momentum: 0.9 }"))).toThrow(OptionError);
  });
});
