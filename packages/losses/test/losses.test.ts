import { OptionError, ShapeError } from "@semiseg/errors";
import { crossEntropyLoss, diceCrossEntropyLoss, diceLoss, softTargetLoss } from "@semiseg/losses";
import { eachBackend, gradientError, leakedTensors } from "@semiseg/test-utils";
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";

/** Foreground probabilities as two-class probs `[1, 1, V, 2]`. */
const probs = (p: number[]): tf.Tensor =>
  tf.tensor(
    p.flatMap((v) => [1 - v, v]),
    [1, 1, p.length, 2],
  );
const truth = (t: number[]): tf.Tensor =>
  tf.tensor(
    t.flatMap((v) => [1 - v, v]),
    [1, 1, t.length, 2],
  );
const logits = (p: number[]): tf.Tensor => tf.log(probs(p));
const labels = (t: number[]): tf.Tensor => tf.tensor(t, [1, 1, t.length], "int32");
const value = (t: tf.Tensor): number => t.dataSync()[0]!;
const P = [0.9, 0.8, 0.3, 0.1];
const T = [1, 1, 0, 0];

eachBackend("losses", () => {
  it("diceLoss has the published values, squared and linear", () => {
    expect(value(diceLoss(truth(T), probs(P)))).toBeCloseTo(0.0422534, 6);
    expect(value(diceLoss(truth(T), probs(P), { squaredPred: false, smooth: 1e-8 }))).toBeCloseTo(0.1707317, 6);
    expect(value(diceLoss(truth([0, 0, 0, 0]), probs(P)))).toBeCloseTo(0.99999355, 6);
    expect(value(diceLoss(truth([0, 0, 0, 0]), probs([0, 0, 0, 0])))).toBe(0);
  });

  it("crossEntropyLoss has the published value, from labels and from onehot", () => {
    expect(value(crossEntropyLoss(labels(T), logits(P)))).toBeCloseTo(0.1976349, 6);
    expect(value(crossEntropyLoss(truth(T), logits(P)))).toBeCloseTo(0.1976349, 6);
  });

  it("ICL's G1: batch Dice of both classes and its sum with cross-entropy", () => {
    const z = tf.tensor([Math.log(3), 0, 0, 0], [1, 1, 2, 2]);
    const y = labels([0, 1]);
    expect(value(crossEntropyLoss(y, z))).toBeCloseTo(0.4904146, 6);
    const dice = diceLoss(truth([0, 1]), tf.softmax(z), { includeBackground: true, reduction: "none" });
    const [a, b] = dice.dataSync();
    expect(a).toBeCloseTo(0.1724128, 6);
    expect(b).toBeCloseTo(0.2380934, 6);
    const both = { crossEntropyWeight: 1, diceWeight: 1, includeBackground: true };
    expect(value(diceCrossEntropyLoss(y, z, both))).toBeCloseTo(0.6956678, 6);
  });

  it("diceCrossEntropyLoss equals its two parts", () => {
    const z = tf.randomNormal([2, 3, 4, 5, 3], 0, 2, "float32", 1);
    const y = tf.cast(tf.randomUniform([2, 3, 4, 5], 0, 2.999, "float32", 2), "int32");
    const onehot = tf.cast(tf.oneHot(y as tf.Tensor1D, 3), "float32");
    for (const squaredPred of [true, false]) {
      const expected = 0.5 * (value(crossEntropyLoss(y, z)) + value(diceLoss(onehot, tf.softmax(z), { squaredPred })));
      expect(value(diceCrossEntropyLoss(y, z, { squaredPred }))).toBeCloseTo(expected, 5);
    }
  });

  it("presentOnly: the mean over the classes that the truth holds, 0 for the others, none in an empty truth", () => {
    const z = tf.randomNormal([1, 3, 4, 4], 0, 2, "float32", 5);
    const y = tf.tensor([0, 2, 2, 0, 2, 0, 0, 0, 2, 2, 0, 0], [1, 3, 4], "int32");
    const onehot = tf.cast(tf.oneHot(tf.reshape(y, [12]), 4), "float32").reshape([1, 3, 4, 4]);
    const p = tf.softmax(z);
    const perClass = diceLoss(onehot, p, { includeBackground: true, reduction: "none" }).dataSync();
    const present = { includeBackground: true, presentOnly: true };
    expect(value(diceLoss(onehot, p, present))).toBeCloseTo((perClass[0]! + perClass[2]!) / 2, 6);
    expect(value(diceLoss(onehot, p, { presentOnly: true }))).toBeCloseTo(perClass[2]!, 6);
    expect(value(diceLoss(onehot, p, { ...present, reduction: "sum" }))).toBeCloseTo(perClass[0]! + perClass[2]!, 6);
    expect(Array.from(diceLoss(onehot, p, { ...present, reduction: "none" }).dataSync()).map((v) => v > 0)).toEqual([
      true,
      false,
      true,
      false,
    ]);
    expect(value(diceCrossEntropyLoss(y, z, { ...present, crossEntropyWeight: 0, diceWeight: 1 }))).toBeCloseTo(
      (perClass[0]! + perClass[2]!) / 2,
      5,
    );
    expect(value(diceLoss(tf.zerosLike(onehot), p, present))).toBe(0);
    expect(gradientError((x) => diceLoss(onehot, x!, present), [p])).toBeLessThan(2e-3);
  });

  it("gradients agree with numeric ones", () => {
    const y = labels([0, 1, 2, 1]);
    const onehot = tf.cast(tf.oneHot(tf.tensor1d([0, 1, 2, 1], "int32"), 3), "float32").reshape([1, 1, 4, 3]);
    const z = tf.randomNormal([1, 1, 4, 3], 0, 1, "float32", 3);
    expect(gradientError((x) => diceCrossEntropyLoss(y, x!), [z])).toBeLessThan(2e-3);
    expect(
      gradientError((x) => crossEntropyLoss(y, x!, { mask: tf.tensor([1, 0, 1, 1], [1, 1, 4]) }), [z]),
    ).toBeLessThan(2e-3);
    expect(gradientError((x) => diceLoss(onehot, x!), [tf.softmax(z)])).toBeLessThan(2e-3);
    expect(
      gradientError((x) => diceLoss(onehot, x!, { squaredPred: false, reduction: "sum" }), [tf.softmax(z)]),
    ).toBeLessThan(2e-3);
  });

  it("voxels outside the mask count neither in the value nor in the gradient; an empty mask gives 0", () => {
    const y = labels([0, 1, 1]);
    const mask = tf.tensor([1, 0, 1], [1, 1, 3]);
    const z = tf.randomNormal([1, 1, 3, 2], 0, 1, "float32", 4);
    const kept = crossEntropyLoss(labels([0, 1]), tf.gather(z, [0, 2], 2));
    expect(value(crossEntropyLoss(y, z, { mask }))).toBeCloseTo(value(kept), 6);
    const g = tf
      .grad((x: tf.Tensor) => crossEntropyLoss(y, x, { mask }))(z)
      .dataSync();
    expect(Math.abs(g[2]!) + Math.abs(g[3]!)).toBe(0);
    const empty = tf.zeros([1, 1, 3]);
    expect(value(crossEntropyLoss(y, z, { mask: empty }))).toBe(0);
    expect(
      tf
        .grad((x: tf.Tensor) => crossEntropyLoss(y, x, { mask: empty }))(z)
        .dataSync()
        .every((v) => v === 0),
    ).toBe(true);
  });

  it("permuting classes permutes nothing in the value when every class counts", () => {
    const z = tf.randomNormal([1, 2, 3, 3], 0, 1, "float32", 5);
    const y = tf.tensor([0, 1, 2, 2, 1, 0], [1, 2, 3], "int32");
    const moved = tf.gather(z, [2, 0, 1], 3);
    const relabelled = tf.tensor([1, 2, 0, 0, 2, 1], [1, 2, 3], "int32");
    const all = { includeBackground: true };
    expect(value(diceCrossEntropyLoss(relabelled, moved, all))).toBeCloseTo(value(diceCrossEntropyLoss(y, z, all)), 5);
  });

  it("leave no tensors behind", () => {
    const [y, z] = [labels(T), logits(P)];
    const p = probs(P);
    const t = truth(T);
    expect(leakedTensors(() => diceCrossEntropyLoss(y, z))).toBe(0);
    expect(leakedTensors(() => tf.grad((x: tf.Tensor) => diceCrossEntropyLoss(y, x))(z))).toBe(0);
    expect(leakedTensors(() => crossEntropyLoss(y, z))).toBe(0);
    expect(leakedTensors(() => diceLoss(t, p))).toBe(0);
  });

  it("refuse shapes and options that do not fit, by name", () => {
    expect(() => diceLoss(probs(P), probs([0.1, 0.2]))).toThrow(ShapeError);
    expect(() => diceLoss(tf.ones([1, 2, 2, 1]), tf.ones([1, 2, 2, 1]))).toThrow("includeBackground");
    expect(() => crossEntropyLoss(labels([1]), logits(P))).toThrow("yTrue");
    expect(() => diceLoss(truth(T), probs(P), { smooth: -1 })).toThrow(OptionError);
    expect(() => diceCrossEntropyLoss(labels(T), logits(P), { diceWeight: Number.NaN })).toThrow("diceWeight");
  });
});

eachBackend("softTargetLoss", () => {
  const soft = (classes: number, rows: number, seed: number): tf.Tensor =>
    tf.softmax(
      tf.tensor(
        Array.from({ length: rows * classes }, (_, i) => 2 * Math.sin(3.7 * i + seed)),
        [1, rows, classes],
      ),
    );
  const scores = (classes: number, rows: number): tf.Tensor =>
    tf.tensor(
      Array.from({ length: rows * classes }, (_, i) => 3 * Math.cos(1.3 * i)),
      [1, rows, classes],
    );

  it("has the published values of its parts", () => {
    const dice = { crossEntropyWeight: 0, diceWeight: 1, smooth: 1e-8 };
    expect(value(softTargetLoss(truth(T), logits(P), dice))).toBeCloseTo(0.1707317, 6);
    expect(value(softTargetLoss(truth(T), logits(P), { crossEntropyWeight: 1, diceWeight: 0 }))).toBeCloseTo(
      0.1976349,
      6,
    );
  });

  it.each([2, 5, 70])("is the sum of cross-entropy and linear Dice for soft targets of %i classes", (classes) => {
    const [t, z] = [soft(classes, 40, 1), scores(classes, 40)];
    for (const includeBackground of [false, true]) {
      const options = { crossEntropyWeight: 0.3, diceWeight: 0.8, includeBackground };
      const expected =
        0.3 * value(crossEntropyLoss(t, z)) +
        0.8 * value(diceLoss(t, tf.softmax(z), { squaredPred: false, includeBackground }));
      expect(value(softTargetLoss(t, z, options))).toBeCloseTo(expected, 5);
    }
  });

  it("counts the voxels of the mask alone; an empty one gives 0", () => {
    const [t, z] = [soft(3, 8, 2), scores(3, 8)];
    const mask = tf.tensor([1, 1, 1, 0, 0, 0, 0, 0], [1, 8]);
    const part = (x: tf.Tensor): tf.Tensor => tf.slice(x, [0, 0, 0], [1, 3, 3]);
    expect(value(softTargetLoss(t, z, { mask }))).toBeCloseTo(value(softTargetLoss(part(t), part(z))), 6);
    const nothing = tf.valueAndGrad((x: tf.Tensor) => softTargetLoss(t, x, { mask: tf.zeros([1, 8]) }))(z);
    expect(value(nothing.value)).toBe(0);
    expect(Array.from(nothing.grad.dataSync()).every((g) => g === 0)).toBe(true);
  });

  it("has its gradient in the logits, masked or not, and leaves no tensors behind", () => {
    const [t, z] = [soft(3, 6, 3), scores(3, 6)];
    const mask = tf.tensor([1, 0, 1, 1, 0, 1], [1, 6]);
    for (const options of [{}, { mask, includeBackground: true, crossEntropyWeight: 2 }])
      expect(gradientError((x) => softTargetLoss(t, x, options), [z])).toBeLessThan(1e-2);
    expect(leakedTensors(() => tf.grad((x: tf.Tensor) => softTargetLoss(t, x, { mask }))(z))).toBe(0);
  });

  it("refuses shapes that do not belong together and options out of range", () => {
    const [t, z] = [soft(3, 6, 3), scores(3, 6)];
    expect(() => softTargetLoss(soft(2, 6, 3), z)).toThrow(ShapeError);
    expect(() => softTargetLoss(t, z, { mask: tf.ones([1, 5]) })).toThrow(ShapeError);
    expect(() => softTargetLoss(tf.ones([1, 6, 1]), tf.ones([1, 6, 1]))).toThrow("foreground class");
    expect(() => softTargetLoss(t, z, { smooth: -1 })).toThrow(OptionError);
  });
});
