import { ShapeError } from "@semiseg/errors";
import { classRepresentations, type Pairing, taskAffinityLoss } from "@semiseg/task-affinity";
import { eachBackend, gradientError, leakedTensors } from "@semiseg/test-utils";
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";

const f = (v: number[][]): tf.Tensor => tf.tensor(v.flat(), [2, 1, 4, 1]);
/** [sample][class][voxel] as `[2, 1, 4, 2]`. */
const guide = (values: number[][][]): tf.Tensor =>
  tf.tensor(
    values.flatMap(([a, b]) => a!.flatMap((v, i) => [v, b![i]!])),
    [2, 1, 4, 2],
  );
const FL = f([
  [1, 2, 3, 4],
  [2, 2, 0, 4],
]);
const FU = f([
  [0, 1, 2, 3],
  [1, 1, 1, 5],
]);
const Y = guide([
  [
    [1, 1, 0, 0],
    [0, 0, 1, 1],
  ],
  [
    [1, 1, 1, 0],
    [0, 0, 0, 1],
  ],
]);
const P = guide([
  [
    [0.9, 0.8, 0.2, 0.1],
    [0.1, 0.2, 0.8, 0.9],
  ],
  [
    [0.7, 0.6, 0.5, 0.2],
    [0.3, 0.4, 0.5, 0.8],
  ],
]);
const value = (t: tf.Tensor): number => t.dataSync()[0]!;
const loss = (pairing: Pairing, maskAbsent = false, fl = FL, fu = FU, y = Y, p = P): tf.Scalar =>
  taskAffinityLoss({
    labeled: classRepresentations(fl, y, { pairing }),
    unlabeled: classRepresentations(fu, p, { pairing }),
    pairing,
    maskAbsent,
  });
const near = (actual: ArrayLike<number>, expected: readonly number[]): void => {
  for (const [i, want] of expected.entries()) expect(actual[i], `entry ${i}`).toBeCloseTo(want, 5);
};

eachBackend("task-affinity", () => {
  it("T1: class vectors and losses of all three pairings", () => {
    near(classRepresentations(FL, Y, { pairing: "code" }).vectors.dataSync(), [0.6, 0.8, 2.3333326, 1.3333329]);
    near(classRepresentations(FU, P, { pairing: "code" }).vectors.dataSync(), [0.375, 0.7, 1.125, 1.3]);
    near(classRepresentations(FL, Y).vectors.dataSync(), [1.4, 3.6666654]);
    near(classRepresentations(FU, P).vectors.dataSync(), [1.075, 2.4249994]);
    expect(value(loss("code"))).toBeCloseTo(0.3804511, 5);
    expect(value(loss("sample"))).toBeCloseTo(1.0223587, 5);
    expect(value(loss("batch"))).toBeCloseTo(0.8236798, 5);
  });

  it("T1: gradient in the unlabelled features, code form", () => {
    const g = tf
      .grad((x: tf.Tensor) => loss("code", false, FL, x))(FU)
      .dataSync();
    near(g, [-0.0404166, -0.0527083, -0.1264583, -0.1387499, -0.01, -0.0091667, -0.0083333, -0.0058333]);
  });

  it("code vectors of a batch sum to the batch vector", () => {
    const code = classRepresentations(FL, Y, { pairing: "code" }).vectors;
    near(tf.sum(code, 1).dataSync(), Array.from(classRepresentations(FL, Y).vectors.dataSync()));
  });

  it("identical halves give 0 with a zero gradient; features times a give the loss times a^2", () => {
    const self = (x: tf.Tensor) => loss("batch", false, x, x, Y, Y);
    expect(value(self(FL))).toBe(0);
    expect(value(tf.max(tf.abs(tf.grad((x: tf.Tensor) => self(x))(FL))))).toBe(0);
    expect(value(loss("batch", false, tf.mul(FL, 2), tf.mul(FU, 2)))).toBeCloseTo(4 * 0.8236798, 4);
  });

  it("with two samples of equal vectors the code form is a quarter of the batch form", () => {
    const twice = (t: tf.Tensor) => tf.concat([tf.slice(t, 0, 1), tf.slice(t, 0, 1)]);
    const at = (pairing: Pairing) => value(loss(pairing, false, twice(FL), twice(FU), twice(Y), twice(P)));
    expect(at("code")).toBeCloseTo(0.2656249, 6);
    expect(at("batch")).toBeCloseTo(1.0624995, 6);
    expect(at("sample")).toBeCloseTo(at("batch"), 5);
  });

  it("permuting voxels changes nothing, shuffling a half changes the code form only, swapping classes nothing", () => {
    const voxels = (t: tf.Tensor) => tf.gather(t, [3, 1, 0, 2], 2);
    const samples = (t: tf.Tensor) => tf.gather(t, [1, 0], 0);
    expect(value(loss("batch", false, voxels(FL), FU, voxels(Y), P))).toBeCloseTo(0.8236798, 5);
    expect(value(loss("batch", false, samples(FL), FU, samples(Y), P))).toBeCloseTo(0.8236798, 5);
    expect(value(loss("code", false, samples(FL), FU, samples(Y), P))).not.toBeCloseTo(0.3804511, 3);
    const classes = (t: tf.Tensor) => tf.gather(t, [1, 0], 3);
    expect(value(loss("batch", false, FL, FU, classes(Y), classes(P)))).toBeCloseTo(0.8236798, 5);
  });

  it("a class absent from the labels is masked: published values, zero gradient for it", () => {
    const absent = guide([
      [
        [1, 1, 1, 1],
        [0, 0, 0, 0],
      ],
      [
        [1, 1, 1, 1],
        [0, 0, 0, 0],
      ],
    ]);
    near(classRepresentations(FL, absent, { pairing: "code" }).vectors.dataSync(), [1.25, 1, 0, 0]);
    expect(value(loss("code", false, FL, FU, absent))).toBeCloseTo(0.9528121, 5);
    expect(value(loss("code", true, FL, FU, absent))).toBeCloseTo(0.4278125, 5);
    const none = guide([
      [
        [0, 0, 0, 0],
        [0, 0, 0, 0],
      ],
      [
        [0, 0, 0, 0],
        [0, 0, 0, 0],
      ],
    ]);
    expect(value(loss("batch", true, FL, FU, none))).toBe(0);
    expect(
      tf
        .grad((x: tf.Tensor) => loss("batch", true, FL, x, none))(FU)
        .dataSync()
        .every((v) => v === 0),
    ).toBe(true);
  });

  it("sample vectors lie between the smallest and largest feature; softmax guides share out all features", () => {
    const vectors = classRepresentations(FU, P, { pairing: "sample" }).vectors.dataSync();
    expect(vectors.every((v) => v >= 0 && v <= 5)).toBe(true);
    const { vectors: r, mass } = classRepresentations(FU, P);
    expect(value(tf.sum(tf.mul(r, tf.expandDims(mass, -1))))).toBeCloseTo(value(tf.sum(FU)), 3);
  });

  it("gradients agree with numeric ones, in features and guides", () => {
    for (const pairing of ["batch", "code", "sample"] as const)
      expect(gradientError((a, b, g) => loss(pairing, true, a, b, Y, g), [FL, FU, P])).toBeLessThan(5e-3);
  });

  it("refuse guides that do not fit and unequal halves, with the remedy; leave no tensors", () => {
    expect(() => classRepresentations(FL, tf.ones([1, 1, 4, 2]))).toThrow(
      "guide must hold the 2 samples of features, received 1: labels guide the labelled half",
    );
    expect(() => classRepresentations(FL, tf.ones([2, 1, 2, 2]))).toThrow("guide must have shape [2, 1, 4, ?]");
    const one = (t: tf.Tensor) => tf.slice(t, [0, 0, 0, 0], [1, 1, 4, t.shape[3]!]);
    expect(() => loss("code", true, one(FL), FU, one(Y), P)).toThrow("use pairing 'batch' or equal batch sizes");
    expect(value(loss("batch", true, one(FL), FU, one(Y), P))).toBeGreaterThan(0);
    expect(() =>
      taskAffinityLoss({
        labeled: classRepresentations(FL, Y),
        unlabeled: classRepresentations(FU, P, { pairing: "code" }),
      }),
    ).toThrow(ShapeError);
    expect(leakedTensors(() => tf.tidy(() => loss("batch")))).toBe(0);
  });
});
