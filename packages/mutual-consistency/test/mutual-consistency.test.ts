import { DataError, ShapeError } from "@semiseg/errors";
import {
  crossTaskConsistency,
  distanceToProbability,
  intraTaskConsistency,
  mutualConsistencyLoss,
  sharpen,
  signedDistanceMap,
} from "@semiseg/mutual-consistency";
import { eachBackend, gradientError, leakedTensors } from "@semiseg/test-utils";
import { entropyThreshold, predictiveEntropy, reliableMask } from "@semiseg/uncertainty";
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";

const near = (actual: ArrayLike<number>, expected: readonly number[], digits = 5): void => {
  expect(actual.length).toBe(expected.length);
  for (const [i, want] of expected.entries()) expect(actual[i], `entry ${i}`).toBeCloseTo(want, digits);
};
const block = (size: number, low: number, high: number): tf.Tensor =>
  tf.tensor(
    Float32Array.from({ length: size * size }, (_, i) => {
      const [y, x] = [Math.floor(i / size), i % size];
      return y >= low && y <= high && x >= low && x <= high ? 1 : 0;
    }),
    [1, size, size],
  );
const rows = (values: number[][]): tf.Tensor => tf.tensor(values.flat(), [1, 1, values.length, values[0]!.length]);
const value = (t: tf.Tensor): number => t.dataSync()[0]!;

eachBackend("mutual-consistency", () => {
  it("signedDistanceMap: 7x7 with a 3x3 block", () => {
    const map = signedDistanceMap(block(7, 2, 4)).dataSync();
    near(map.slice(0, 7), [1, 0.790569, Math.SQRT1_2, Math.SQRT1_2, Math.SQRT1_2, 0.790569, 1]);
    near(map.slice(7, 14), [0.790569, 0.5, 0.353553, 0.353553, 0.353553, 0.5, 0.790569]);
    near(map.slice(14, 21), [Math.SQRT1_2, 0.353553, 0, 0, 0, 0.353553, Math.SQRT1_2]);
    near(map.slice(21, 28), [Math.SQRT1_2, 0.353553, 0, -1, 0, 0.353553, Math.SQRT1_2]);
  });

  it("signedDistanceMap: 9x9 with a 5x5 block, its sums, and what the smooth inverse makes of it", () => {
    const mask = block(9, 2, 6);
    const map = signedDistanceMap(mask);
    near(map.dataSync().slice(36, 45), [
      Math.SQRT1_2,
      0.353553,
      0,
      -0.666667,
      -1,
      -0.666667,
      0,
      0.353553,
      Math.SQRT1_2,
    ]);
    expect(value(tf.sum(map))).toBeCloseTo(27.204425, 4);
    expect(value(tf.sum(tf.square(map)))).toBeCloseTo(27.055556, 4);
    expect(value(tf.mean(tf.squaredDifference(distanceToProbability(map), mask)))).toBeCloseTo(0.0493827, 6);
  });

  it("signedDistanceMap: half planes and a 3-D cube", () => {
    const half = tf.tensor(
      Float32Array.from({ length: 24 }, (_, i) => (i % 6 < 3 ? 1 : 0)),
      [1, 4, 6],
    );
    for (let y = 0; y < 4; y++)
      near(
        signedDistanceMap(half)
          .dataSync()
          .slice(6 * y, 6 * y + 6),
        [-1, -0.666667, 0, 0.333333, 0.666667, 1],
      );
    const cube = tf.tensor(
      Float32Array.from({ length: 343 }, (_, i) => {
        const at = [Math.floor(i / 49), Math.floor(i / 7) % 7, i % 7];
        return at.every((v) => v >= 2 && v <= 4) ? 1 : 0;
      }),
      [1, 7, 7, 7],
    );
    const map = signedDistanceMap(cube);
    const data = map.dataSync();
    expect(data[(3 * 7 + 3) * 7 + 3]).toBe(-1);
    expect(data[(1 * 7 + 3) * 7 + 3]).toBeCloseTo(0.2886751, 6);
    expect(data[0]).toBeCloseTo(1, 6);
    expect([data.filter((v) => v < 0).length, data.filter((v) => v === 0).length]).toEqual([1, 26]);
    expect(value(tf.sum(map))).toBeCloseTo(186.08716, 3);
    expect(value(tf.sum(tf.square(map)))).toBeCloseTo(123.5, 3);
  });

  it("signedDistanceMap: foreground is where it is <= 0; empty gives +1 (or 0), full -1; samples are independent", () => {
    const mask = tf.concat([block(9, 2, 6), block(9, 4, 4), tf.zeros([1, 9, 9]), tf.ones([1, 9, 9])], 0);
    const map = signedDistanceMap(mask);
    expect(tf.equal(tf.lessEqual(map, 0), tf.equal(mask, 1)).dataSync().every(Boolean)).toBe(true);
    expect(map.dataSync()[2 * 81]).toBe(1);
    expect(map.dataSync()[3 * 81]).toBe(-1);
    expect(
      signedDistanceMap(tf.zeros([1, 3, 3]), { emptyMask: "zero" })
        .dataSync()
        .every((v) => v === 0),
    ).toBe(true);
    const flipped = signedDistanceMap(tf.transpose(block(7, 1, 3), [0, 2, 1]));
    expect(flipped.dataSync()).toEqual(tf.transpose(signedDistanceMap(block(7, 1, 3)), [0, 2, 1]).dataSync());
    expect(() => signedDistanceMap(tf.fill([1, 3, 3], 0.5))).toThrow(DataError);
    expect(() => signedDistanceMap(tf.zeros([3, 3]))).toThrow(ShapeError);
  });

  it("distanceToProbability has the published values and is stable far out", () => {
    near(
      distanceToProbability(tf.tensor1d([-0.01, -0.001, 0, 0.001, -1, 1])).dataSync(),
      [0.9999997, 0.817574, 0.5, 0.182426, 1, 0],
      5,
    );
  });

  it("intraTaskConsistency: U2, with and without the factor, and 0 for an empty mask", () => {
    const student = rows([
      [0.2, 0.8],
      [0.4, 0.6],
      [0.7, 0.3],
    ]);
    const teacher = rows([
      [0.1, 0.9],
      [0.5, 0.5],
      [0.8, 0.2],
    ]);
    const entropy = predictiveEntropy([teacher]);
    near(entropy.dataSync(), [0.325081, 0.693145, 0.5004], 5);
    const mask = reliableMask(entropy, entropyThreshold(0, 30000, 2));
    near(mask.dataSync(), [1, 0, 1]);
    expect(value(intraTaskConsistency({ student, teacher, mask }))).toBeCloseTo(0.005, 7);
    expect(value(intraTaskConsistency({ student, teacher, mask, scale: 1 }))).toBeCloseTo(0.01, 7);
    expect(value(intraTaskConsistency({ student, teacher, mask: tf.zeros([1, 1, 3]) }))).toBe(0);
    expect(value(intraTaskConsistency({ student, teacher: student }))).toBe(0);
    const g = tf.grad((s: tf.Tensor) => intraTaskConsistency({ student: s, teacher, mask: tf.zeros([1, 1, 3]) }))(
      student,
    );
    expect(g.dataSync().every((v) => v === 0)).toBe(true);
  });

  it("crossTaskConsistency: U7, value and gradient", () => {
    const distance = tf.tensor([-0.001, 0.001, -0.002, 0], [1, 1, 4, 1]);
    const probs = rows([
      [0.1, 0.9],
      [0.8, 0.2],
      [0.4, 0.6],
      [0.5, 0.5],
    ]);
    expect(value(crossTaskConsistency({ distance, probs }))).toBeCloseTo(0.0328528, 6);
    const g = tf.grad((d: tf.Tensor) => crossTaskConsistency({ distance: d, probs }))(distance);
    near(g.dataSync(), [9.220106, 1.965878, -11.946091, 0], 3);
    const mask = tf.tensor([1, 0, 0, 0], [1, 1, 4]);
    expect(value(crossTaskConsistency({ distance, probs, mask }))).toBeCloseTo((0.817574 - 0.9) ** 2, 6);
    expect(() => crossTaskConsistency({ distance: tf.zeros([1, 1, 4, 2]), probs })).toThrow("distance");
  });

  it("sharpen: C3, two and three classes", () => {
    for (const [p, want] of [
      [0.5, 0.5],
      [0.51, 0.5987],
      [0.55, 0.881499],
      [0.6, 0.982954],
      [0.7, 0.999791],
    ] as const) {
      const s = sharpen(rows([[p, 1 - p]])).dataSync();
      expect(s[0]).toBeCloseTo(want, 4);
      expect(s[0]! + s[1]!).toBeCloseTo(1, 6);
    }
    near(sharpen(rows([[0.6, 0.3, 0.1]])).dataSync(), [0.999024, 0.00097561, 1.652e-8], 6);
    expect(sharpen(rows([[1, 0]])).dataSync()).toEqual(new Float32Array([1, 0]));
  });

  it("mutualConsistencyLoss: C4, symmetric, 0 for equal one-hot outputs", () => {
    const v = rows([
      [0.6, 0.4],
      [0.9, 0.1],
    ]);
    const a = rows([
      [0.7, 0.3],
      [0.2, 0.8],
    ]);
    expect(value(mutualConsistencyLoss(v, a))).toBeCloseTo(0.8449471, 6);
    expect(value(mutualConsistencyLoss(a, v))).toBeCloseTo(0.8449471, 6);
    const onehot = rows([
      [1, 0],
      [0, 1],
    ]);
    expect(value(mutualConsistencyLoss(onehot, onehot))).toBe(0);
    const gradient = (detachTargets: boolean) =>
      tf
        .grad((x: tf.Tensor) => mutualConsistencyLoss(x, a, { detachTargets }))(v)
        .dataSync();
    expect(gradient(true)).not.toEqual(gradient(false));
  });

  it("gradients agree with numeric ones", () => {
    const [p, q] = [
      rows([
        [0.3, 0.7],
        [0.6, 0.4],
      ]),
      rows([
        [0.45, 0.55],
        [0.8, 0.2],
      ]),
    ];
    expect(gradientError((x, y) => intraTaskConsistency({ student: x!, teacher: y! }), [p, q])).toBeLessThan(2e-3);
    expect(gradientError((x, y) => mutualConsistencyLoss(x!, y!, { temperature: 0.5 }), [p, q])).toBeLessThan(5e-3);
    const d = tf.tensor([0.1, -0.3], [1, 1, 2, 1]);
    expect(
      gradientError((x, y) => crossTaskConsistency({ distance: x!, probs: y!, steepness: 3 }), [d, p]),
    ).toBeLessThan(2e-3);
  });

  it("leave no tensors behind", () => {
    const [p, q, d] = [rows([[0.3, 0.7]]), rows([[0.45, 0.55]]), tf.tensor([0.1], [1, 1, 1, 1])];
    const m = block(5, 1, 3);
    expect(leakedTensors(() => intraTaskConsistency({ student: p, teacher: q }))).toBe(0);
    expect(leakedTensors(() => mutualConsistencyLoss(p, q))).toBe(0);
    expect(leakedTensors(() => crossTaskConsistency({ distance: d, probs: p }))).toBe(0);
    expect(leakedTensors(() => signedDistanceMap(m))).toBe(0);
  });
});
