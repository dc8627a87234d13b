import { diceLoss } from "@semiseg/losses";
import { resizeLinear, resizeNearest } from "@semiseg/nn";
import {
  certainPseudoLabelLoss,
  fusedImageLoss,
  maskedPrototypes,
  multiScalePrototypeLoss,
  softTargetDivergence,
} from "@semiseg/prototype-alignment";
import { eachBackend, gradientError, leakedTensors } from "@semiseg/test-utils";
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";

const value = (t: tf.Tensor): number => t.dataSync()[0]!;
/** Two-class rows `[1, 1, V, 2]` of foreground shares. */
const binary = (foreground: readonly number[]): tf.Tensor =>
  tf.tensor(
    foreground.flatMap((p) => [1 - p, p]),
    [1, 1, foreground.length, 2],
  );
/** Logits whose softmax they are. */
const logitsOf = (foreground: readonly number[]): tf.Tensor => tf.log(binary(foreground));
const voxels = (values: readonly number[], dtype: "int32" | "float32"): tf.Tensor =>
  tf.tensor([...values], [1, 1, values.length], dtype);

const student = logitsOf([0.8, 0.4, 0.3, 0.1]);
const pseudoLabels = voxels([1, 1, 0, 0], "int32");
const certain = voxels([1, 0, 0, 1], "float32");
const mixed = logitsOf([0.8, 0.4, 0.6, 0.1]);
const target = binary([1, 0.25, 0.75, 0]);

eachBackend("losses of certain and fused voxels", () => {
  it("D6: cross-entropy and Dice over the certain voxels alone", () => {
    expect(value(certainPseudoLabelLoss({ logits: student, pseudoLabels, mask: certain }))).toBeCloseTo(0.1610734, 6);
    const all = value(certainPseudoLabelLoss({ logits: student, pseudoLabels, mask: tf.onesLike(certain) }));
    const dice = value(diceLoss(binary([1, 1, 0, 0]), tf.softmax(student), { squaredPred: false, smooth: 1e-8 }));
    expect(2 * all - dice).toBeCloseTo(0.4003674, 5);
  });

  it("D8: the divergence of soft targets, its Dice and their mean; a voxel out of the set changes both", () => {
    expect(value(softTargetDivergence(target, mixed))).toBeCloseTo(0.0535272, 6);
    expect(value(fusedImageLoss({ logits: mixed, target }))).toBeCloseTo(0.1806098, 6);
    const mask = voxels([1, 1, 0, 1], "float32");
    expect(value(softTargetDivergence(target, mixed, { mask }))).toBeCloseTo(0.0630601, 6);
    expect(2 * value(fusedImageLoss({ logits: mixed, target, mask }))).toBeCloseTo(0.0630601 + 0.2941176, 5);
  });

  it("D9: the divergence is 0 where the student gives the target itself, and above 0 elsewhere", () => {
    const soft = [0.3, 0.6, 0.9];
    expect(value(softTargetDivergence(binary(soft), logitsOf(soft)))).toBeCloseTo(0, 6);
    expect(value(softTargetDivergence(binary(soft), logitsOf([0.2, 0.7, 0.9])))).toBeGreaterThan(1e-3);
  });

  it("D12: labels go to a coarse scale by nearest neighbour, soft targets by interpolation between cell centres", () => {
    const ramp = tf.reshape(tf.range(0, 16), [1, 1, 16, 1]);
    const nearest = (size: number) => Array.from(resizeNearest(ramp, [1, size]).dataSync());
    const linear = (size: number) => Array.from(resizeLinear(ramp, [1, size]).dataSync());
    expect(nearest(2)).toEqual([0, 8]);
    expect(linear(2)).toEqual([3.5, 11.5]);
    expect(linear(4).slice(0, 2)).toEqual([1.5, 5.5]);
    expect(linear(8)[0]).toBe(0.5);
    const labels = tf.cast(tf.greater(ramp, 6), "int32");
    expect(new Set(resizeNearest(labels, [1, 4]).dataSync())).toEqual(new Set([0, 1]));
    const soft = resizeLinear(tf.cast(labels, "float32"), [1, 4]).dataSync();
    expect(Math.min(...soft)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...soft)).toBeLessThanOrEqual(1);
  });

  it("D13: two classes give exactly the binary formulas, and permuting classes changes nothing but the foreground", () => {
    const p = [0.8, 0.4, 0.6, 0.1];
    const t = [1, 0.25, 0.75, 0];
    const log = (x: number) => (x === 0 ? 0 : Math.log(x));
    const kl = p.map((q, i) => t[i]! * (log(t[i]!) - Math.log(q)) + (1 - t[i]!) * (log(1 - t[i]!) - Math.log(1 - q)));
    const divergence = kl.reduce((a, b) => a + b) / (2 * p.length);
    const sum = (x: readonly number[]) => x.reduce((a, b) => a + b);
    const dice = 1 - (2 * sum(p.map((q, i) => q * t[i]!)) + 1e-8) / (sum(p) + sum(t) + 1e-8);
    expect(value(fusedImageLoss({ logits: mixed, target }))).toBeCloseTo((divergence + dice) / 2, 6);
    const swap = (x: tf.Tensor) => tf.reverse(x, 3);
    expect(value(softTargetDivergence(swap(target), swap(mixed)))).toBeCloseTo(divergence, 6);
  });

  it("three classes, 3-D: gradients agree with numeric ones", () => {
    const logits = tf.randomNormal([1, 1, 2, 3, 3], 0, 1, "float32", 3);
    const soft = tf.softmax(tf.randomNormal([1, 1, 2, 3, 3], 0, 1, "float32", 4));
    const mask = tf.tensor([1, 1, 0, 1, 0, 1], [1, 1, 2, 3]);
    const labels = tf.tensor([0, 1, 2, 2, 1, 0], [1, 1, 2, 3], "int32");
    expect(gradientError((z) => fusedImageLoss({ logits: z!, target: soft, mask }), [logits])).toBeLessThan(5e-3);
    expect(
      gradientError((z) => certainPseudoLabelLoss({ logits: z!, pseudoLabels: labels, mask }), [logits]),
    ).toBeLessThan(5e-3);
  });

  it("no certain voxel: 0 with a zero gradient, never NaN", () => {
    const mask = tf.zerosLike(certain);
    for (const loss of [
      (z: tf.Tensor) => certainPseudoLabelLoss({ logits: z, pseudoLabels, mask }),
      (z: tf.Tensor) => fusedImageLoss({ logits: z, target, mask }),
    ]) {
      expect(value(loss(student))).toBe(0);
      expect(
        tf
          .grad(loss)(student)
          .dataSync()
          .every((v) => v === 0),
      ).toBe(true);
    }
  });

  it("prototypes of several scales: a scale without a shared class does not count", () => {
    const feature = (v: number) => tf.fill([1, 1, 2, 2], v);
    const both = binary([0, 1]);
    const [foreground, background] = [binary([1, 1]), binary([0, 0])];
    const a = [maskedPrototypes(feature(1), both), maskedPrototypes(feature(1), foreground)];
    const b = [maskedPrototypes(feature(3), both), maskedPrototypes(feature(9), background)];
    expect(value(multiScalePrototypeLoss(a, b))).toBeCloseTo(4, 6);
    expect(value(multiScalePrototypeLoss(a.slice(1), b.slice(1)))).toBe(0);
  });

  it("leave no tensors, and refuse shapes that do not belong together", () => {
    expect(leakedTensors(() => fusedImageLoss({ logits: mixed, target, mask: certain }))).toBe(0);
    expect(leakedTensors(() => certainPseudoLabelLoss({ logits: student, pseudoLabels, mask: certain }))).toBe(0);
    expect(() => softTargetDivergence(target, tf.ones([1, 1, 3, 2]))).toThrow("yTrue and logits");
    expect(() => softTargetDivergence(target, mixed, { mask: tf.ones([4]) })).toThrow("mask");
  });
});
