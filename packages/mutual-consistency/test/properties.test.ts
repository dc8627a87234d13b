import {
  crossTaskConsistency,
  distanceToProbability,
  intraTaskConsistency,
  signedDistanceMap,
  signedDistances,
} from "@semiseg/mutual-consistency";
import { RandomStream } from "@semiseg/nn";
import { eachBackend, gradientError } from "@semiseg/test-utils";
import { entropyThreshold, predictiveEntropy, reliableMask } from "@semiseg/uncertainty";
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";

const value = (t: tf.Tensor): number => t.dataSync()[0]!;
const close = (actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-5): void => {
  expect(actual.length).toBe(expected.length);
  for (let i = 0; i < expected.length; i++)
    expect(Math.abs(actual[i]! - expected[i]!), `entry ${i}`).toBeLessThan(tolerance);
};
/** Random masks with a rim that image borders may touch. */
const blobs = (shape: readonly number[], seed: number): tf.Tensor =>
  tf.tidy(() => {
    const x = tf.tensor(new RandomStream(seed).normals(shape.reduce((a, b) => a * b, 1)), [...shape]);
    return tf.cast(tf.greater(x, 0.4), "float32");
  });

eachBackend("properties of UG-MCL's parts", () => {
  it("signedDistances: one line of nine voxels, foreground 2..6", () => {
    const line = Uint8Array.of(0, 0, 1, 1, 1, 1, 1, 0, 0);
    close(signedDistances(line, [1, 9]), [1, 0.5, 0, -0.666667, -1, -0.666667, 0, 0.5, 1]);
    close(signedDistances(line, [9, 1]), [1, 0.5, 0, -0.666667, -1, -0.666667, 0, 0.5, 1]);
    close(signedDistances(line, [1, 1, 9], { normalize: false }), [2, 1, 0, -2, -3, -2, 0, 1, 2]);
  });

  it("signedDistanceMap: a 7x7 map is symmetric; single voxels have no negative value", () => {
    const mask = Float32Array.from({ length: 49 }, (_, i) =>
      [Math.floor(i / 7), i % 7].every((v) => v >= 2 && v <= 4) ? 1 : 0,
    );
    const map = signedDistances(mask, [7, 7]);
    for (let y = 0; y < 7; y++)
      for (let x = 0; x < 7; x++) {
        expect(map[y * 7 + x]).toBe(map[(6 - y) * 7 + x]);
        expect(map[y * 7 + x]).toBe(map[x * 7 + y]);
      }
    const single = signedDistances(Uint8Array.of(0, 0, 0, 0, 1, 0, 0, 0, 0), [3, 3]);
    expect(single.every((v) => v >= 0)).toBe(true);
    expect(single[4]).toBe(0);
  });

  it("U6: maps move with flips and axis permutations, in two and three dimensions, and are never NaN", () => {
    for (const shape of [
      [2, 9, 6],
      [2, 6, 5, 7],
    ]) {
      const mask = blobs(shape, 4);
      const map = signedDistanceMap(mask);
      expect(map.dataSync().every(Number.isFinite)).toBe(true);
      const order = [0, ...Array.from({ length: shape.length - 1 }, (_, i) => shape.length - 1 - i)];
      expect(signedDistanceMap(tf.transpose(mask, order)).dataSync()).toEqual(tf.transpose(map, order).dataSync());
      for (let axis = 1; axis < shape.length; axis++)
        expect(signedDistanceMap(tf.reverse(mask, axis)).dataSync(), `axis ${axis}`).toEqual(
          tf.reverse(map, axis).dataSync(),
        );
      expect(tf.equal(tf.lessEqual(map, 0), tf.equal(mask, 1)).dataSync().every(Boolean)).toBe(true);
    }
  });

  it("distanceToProbability: slope -375 at the surface with the published steepness, numeric gradients", () => {
    const slopes = tf.grad((z: tf.Tensor) => tf.sum(distanceToProbability(z)))(tf.tensor1d([0, 0.02, -0.5, 0.5]));
    close(slopes.dataSync(), [-375, 0, 0, 0], 1e-3);
    const z = tf.tensor1d([-0.4, -0.1, 0.05, 0.3]);
    const numeric = gradientError(
      (x) => tf.sum(tf.square(distanceToProbability(x!, { steepness: 4 }))) as tf.Scalar,
      [z],
    );
    expect(numeric).toBeLessThan(2e-3);
    close(distanceToProbability(tf.tensor1d([-1e6, 1e6])).dataSync(), [1, 0], 1e-12);
  });

  it("U8: cross-task consistency is 0 exactly where both say the same, symmetric, and teaches both", () => {
    const distance = tf.tensor([0.3, -0.2, 0.1, -0.4], [1, 2, 2, 1]);
    const inside = distanceToProbability(distance, { steepness: 5 });
    const same = tf.concat([tf.sub(1, inside), inside], -1);
    expect(value(crossTaskConsistency({ distance, probs: same, steepness: 5 }))).toBeLessThan(1e-13);
    const probs = tf.tensor([0.9, 0.1, 0.3, 0.7, 0.5, 0.5, 0.2, 0.8], [1, 2, 2, 2]);
    const there = crossTaskConsistency({ distance, probs, steepness: 5 });
    // The other way round: a map that stands for p, and probabilities that are the old map's mask.
    const p = tf.slice(probs, [0, 0, 0, 1], [1, 2, 2, 1]);
    const map = tf.div(tf.log(tf.div(tf.sub(1, p), p)), 5);
    expect(value(crossTaskConsistency({ distance: map, probs: same, steepness: 5 }))).toBeCloseTo(value(there), 6);
    const [d, q] = tf.grads((x: tf.Tensor, y: tf.Tensor) =>
      crossTaskConsistency({ distance: x, probs: y, steepness: 5 }),
    )([distance, probs]);
    expect(value(tf.max(tf.abs(d!)))).toBeGreaterThan(1e-3);
    expect(value(tf.max(tf.abs(q!)))).toBeGreaterThan(1e-3);
  });

  it("masked consistencies have the gradients of their formulas, none where the mask is 0", () => {
    const [a, b] = [1, 2].map((seed) => tf.softmax(new RandomStream(seed).normal([2, 3, 2, 3])));
    const mask = tf.tensor([1, 0, 1, 1, 0, 0, 1, 0, 1, 1, 1, 0], [2, 3, 2]);
    expect(gradientError((x, y) => intraTaskConsistency({ student: x!, teacher: y!, mask }), [a!, b!])).toBeLessThan(
      2e-3,
    );
    const g = tf.grad((x: tf.Tensor) => intraTaskConsistency({ student: x, teacher: b!, mask }))(a!);
    const outside = tf.mul(g, tf.expandDims(tf.sub(1, mask), -1));
    expect(value(tf.max(tf.abs(outside)))).toBe(0);
    const distance = tf.tensor(new RandomStream(3).normals(24, 0.2), [2, 3, 2, 2]);
    const cross = (x: tf.Tensor, y: tf.Tensor) => crossTaskConsistency({ distance: x, probs: y, mask, steepness: 3 });
    expect(gradientError((x, y) => cross(x!, y!), [distance, a!])).toBeLessThan(2e-3);
  });

  it("U9: a permutation of the classes leaves entropy, mask and intra-task consistency as they are", () => {
    const [student, teacher] = [5, 6].map((seed) => tf.softmax(new RandomStream(seed).normal([1, 4, 4, 4], 2)));
    const measured = (order: number[]) => {
      const [s, t] = [student!, teacher!].map((x) => tf.gather(x, tf.tensor1d(order, "int32"), 3));
      const entropy = predictiveEntropy([t!]);
      const mask = reliableMask(entropy, entropyThreshold(10, 100, 4));
      return {
        entropy: entropy.dataSync(),
        mask,
        loss: value(intraTaskConsistency({ student: s!, teacher: t!, mask })),
      };
    };
    const [plain, permuted] = [measured([0, 1, 2, 3]), measured([2, 0, 3, 1])];
    close(permuted.entropy, plain.entropy, 1e-6);
    expect(permuted.mask.dataSync()).toEqual(plain.mask.dataSync());
    expect(value(tf.mean(plain.mask))).toBeGreaterThan(0);
    expect(value(tf.mean(plain.mask))).toBeLessThan(1);
    expect(permuted.loss).toBeCloseTo(plain.loss, 7);
  });
});
