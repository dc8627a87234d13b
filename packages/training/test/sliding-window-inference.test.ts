import { readFileSync } from "node:fs";
import { OptionError, ShapeError } from "@semiseg/errors";
import { eachBackend, leakedTensors } from "@semiseg/test-utils";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { importanceMap, labelsFromProbabilities, slidingWindowInference, windowStarts } from "../src/index.js";

interface Golden {
  shape: number[];
  roiSize: number[];
  overlap: number;
  mode: "constant" | "gaussian";
  sigmaScale: number;
  x: number[];
  y: number[];
  weights: number[];
}
const goldens = JSON.parse(
  readFileSync(new URL("./fixtures/monai-sliding-window.json", import.meta.url), "utf8"),
) as Golden[];

const worst = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  expect(a.length).toBe(b.length);
  let max = 0;
  for (let i = 0; i < a.length; i++) max = Math.max(max, Math.abs(a[i]! - b[i]!));
  return max;
};

/** The predictor of benchmarks/monai/sliding_window.py: depends on the place in the window. */
const ramped =
  (roi: readonly number[]) =>
  (patch: tf.Tensor): tf.Tensor =>
    tf.tidy(() => {
      const voxels = roi.reduce((a, b) => a * b, 1);
      const ramp = tf.reshape(tf.div(tf.range(0, voxels), voxels), [1, ...roi, 1]);
      return tf.concat([tf.mul(patch, ramp), tf.add(ramp, patch)], -1);
    });

describe("windowStarts", () => {
  it("gives the starts of the field's protocols", () => {
    expect(windowStarts(140, 112, 18)).toEqual([0, 18, 28]);
    expect(windowStarts(88, 80, 4)).toEqual([0, 4, 8]);
    expect(windowStarts(150, 96, 64)).toEqual([0, 54]);
  });

  it("gives one window when it covers the axis", () => {
    expect(windowStarts(10, 10, 3)).toEqual([0]);
    expect(windowStarts(5, 10, 3)).toEqual([0]);
  });

  it("throws OptionError for sizes that are not positive integers", () => {
    expect(() => windowStarts(10, 4, 0)).toThrow(OptionError);
    expect(() => windowStarts(10, 2.5, 1)).toThrow(OptionError);
  });
});

describe("importanceMap", () => {
  it("equals MONAI's compute_importance_map", () => {
    for (const { roiSize, mode, sigmaScale, weights } of goldens)
      expect(worst(importanceMap(roiSize, mode, sigmaScale), weights)).toBeLessThan(1e-6);
  });
});

describe("labelsFromProbabilities", () => {
  it("takes the largest and gives ties to the lower class", () => {
    const probs = Float32Array.from([0.5, 0.5, 0, 0.1, 0.2, 0.7, 0.2, 0.4, 0.4]);
    expect([...labelsFromProbabilities(probs, 3)]).toEqual([0, 2, 1]);
    expect(() => labelsFromProbabilities(probs, 2)).toThrow(ShapeError);
  });
});

eachBackend("slidingWindowInference", () => {
  for (const [i, golden] of goldens.entries())
    for (const accumulateOn of ["host", "device"] as const)
      it(`equals MONAI for case ${i} (${golden.mode}, image ${golden.shape}, window ${golden.roiSize}) summed on the ${accumulateOn}`, async () => {
        const { shape, roiSize, overlap, mode, sigmaScale } = golden;
        const x = tf.tensor(golden.x, [2, ...shape, 1]);
        const y = await slidingWindowInference(x, {
          roiSize,
          overlap,
          mode,
          sigmaScale,
          accumulateOn,
          batchSize: 3,
          predictor: ramped(roiSize),
        });
        expect(y.shape).toEqual([2, ...shape, 2]);
        expect(worst(y.dataSync(), golden.y)).toBeLessThan(2e-6);
        tf.dispose([x, y]);
      });

  it("gives values in ordinary memory for values in ordinary memory, and the same ones", async () => {
    const { shape, roiSize, overlap, x, y } = goldens[0]!;
    const options = { roiSize, overlap, predictor: ramped(roiSize) };
    const host = await slidingWindowInference({ data: Float32Array.from(x), shape: [2, ...shape, 1] }, options);
    expect(host.shape).toEqual([2, ...shape, 2]);
    expect(worst(host.data, y)).toBeLessThan(2e-6);
  });

  it("equals the whole-volume pass for a predictor that looks at one voxel", async () => {
    const x = tf.randomNormal([1, 9, 8, 7, 2]);
    const predictor = (patch: tf.Tensor): tf.Tensor => tf.softmax(patch);
    const whole = predictor(x);
    const windows = await slidingWindowInference(x, { roiSize: [4, 3, 5], overlap: 0.5, mode: "gaussian", predictor });
    expect(worst(windows.dataSync(), whole.dataSync())).toBeLessThan(1e-6);
    tf.dispose([x, whole, windows]);
  });

  it("covers every voxel when strides exceed the window", async () => {
    const x = tf.ones([1, 11, 10, 1]);
    const y = await slidingWindowInference(x, { roiSize: [3, 4], strides: [9, 9], predictor: (p) => tf.clone(p) });
    expect([...y.dataSync()].every((v) => v === 1)).toBe(true);
    tf.dispose([x, y]);
  });

  it("averages over mirrored views and flips them back", async () => {
    const x = tf.randomNormal([1, 4, 5, 1]);
    const ramp = ramped([4, 5]);
    const mirrored = await slidingWindowInference(x, { roiSize: [4, 5], mirrorAxes: [0, 1], predictor: ramp });
    const expected = tf.tidy(() => {
      const views = [[], [1], [2], [1, 2]].map((axes) => tf.reverse(ramp(tf.reverse(x, axes)), axes));
      return tf.div(tf.addN(views), 4);
    });
    expect(worst(mirrored.dataSync(), expected.dataSync())).toBeLessThan(1e-6);
    tf.dispose([x, mirrored, expected]);
  });

  it("reports progress once per batch of windows, up to all of them", async () => {
    const seen: [number, number][] = [];
    const x = tf.ones([1, 6, 6, 1]);
    const y = await slidingWindowInference(x, {
      roiSize: [3, 3],
      overlap: 0,
      batchSize: 3,
      predictor: (p) => tf.clone(p),
      onProgress: (done, total) => seen.push([done, total]),
    });
    expect(seen).toEqual([
      [3, 4],
      [4, 4],
    ]);
    tf.dispose([x, y]);
  });

  it("leaves no tensor behind", async () => {
    const x = tf.ones([1, 6, 6, 1]);
    for (const accumulateOn of ["host", "device"] as const) {
      const run = (): Promise<tf.Tensor> =>
        slidingWindowInference(x, { roiSize: [4, 4], mirrorAxes: [0], accumulateOn, predictor: ramped([4, 4]) });
      (await run()).dispose();
      const before = tf.memory().numTensors;
      (await run()).dispose();
      expect(tf.memory().numTensors).toBe(before);
    }
    x.dispose();
    expect(leakedTensors(() => tf.zeros([1]))).toBe(0);
  });

  it("throws a typed error for a wrong rank, window, overlap or prediction", async () => {
    const predictor = (p: tf.Tensor): tf.Tensor => tf.clone(p);
    const x = tf.ones([1, 6, 6, 1]);
    const bad = (options: object): Promise<tf.Tensor> =>
      slidingWindowInference(x, { roiSize: [3, 3], predictor, ...options });
    await expect(bad({ roiSize: [3, 3, 3] })).rejects.toThrow(OptionError);
    await expect(bad({ roiSize: [3, 0] })).rejects.toThrow(OptionError);
    await expect(bad({ overlap: 1 })).rejects.toThrow(OptionError);
    await expect(bad({ overlap: Number.NaN })).rejects.toThrow(OptionError);
    await expect(bad({ overlap: 0.5, strides: [1, 1] })).rejects.toThrow(OptionError);
    await expect(bad({ mirrorAxes: [2] })).rejects.toThrow(OptionError);
    await expect(bad({ mode: "mean" })).rejects.toThrow(OptionError);
    await expect(bad({ predictor: () => tf.zeros([1, 2, 3, 1]) })).rejects.toThrow(ShapeError);
    await expect(slidingWindowInference(tf.ones([3, 3, 1]), { roiSize: [3], predictor })).rejects.toThrow(ShapeError);
    x.dispose();
  });
});
