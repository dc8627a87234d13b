import { ShapeError } from "@semiseg/errors";
import {
  fuseImages,
  maskedPrototypes,
  normalizedLoss,
  prototypeAlignmentLoss,
  regionPrototypes,
} from "@semiseg/prototype-alignment";
import { eachBackend, gradientError, leakedTensors } from "@semiseg/test-utils";
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";

/** [batch][channel][voxel] as features `[B, 1, V, C]`. */
const features = (values: number[][][]): tf.Tensor =>
  tf.tensor(
    values.flatMap(([a, b]) => a!.flatMap((v, i) => [v, b![i]!])),
    [2, 1, 4, 2],
  );
/** Foreground shares [batch][voxel] as two-class masks `[B, 1, V, 2]`. */
const masks = (m: number[][]): tf.Tensor =>
  tf.tensor(
    m.flat().flatMap((v) => [1 - v, v]),
    [2, 1, 4, 2],
  );
const F = features([
  [
    [1, 2, 3, 4],
    [0, 1, 0, 1],
  ],
  [
    [2, 2, 4, 4],
    [1, 1, 3, 3],
  ],
]);
const G = features([
  [
    [1, 1, 2, 2],
    [0, 0, 1, 1],
  ],
  [
    [3, 3, 3, 3],
    [2, 0, 2, 0],
  ],
]);
const mF = masks([
  [1, 1, 0, 0],
  [0, 0, 1, 1],
]);
const mG = masks([
  [0, 1, 1, 0],
  [1, 0, 0, 0],
]);
const value = (t: tf.Tensor): number => t.dataSync()[0]!;
const near = (actual: ArrayLike<number>, expected: readonly number[]): void => {
  for (const [i, want] of expected.entries()) expect(actual[i]).toBeCloseTo(want, 5);
};

eachBackend("prototype-alignment", () => {
  it("D3: prototypes and their distance", () => {
    const [a, b] = [regionPrototypes(F, mF), regionPrototypes(G, mG)];
    near(a.prototypes.dataSync(), [2.75, 0.75, 2.75, 1.75]);
    near(b.prototypes.dataSync(), [2.25, 0.583333, 2.25, 1.25]);
    expect([a.valid, b.valid]).toEqual([
      [true, true],
      [true, true],
    ]);
    expect(value(prototypeAlignmentLoss(a, b))).toBeCloseTo(0.1944444, 6);
  });

  it("D4: soft masks", () => {
    const soft = regionPrototypes(
      F,
      masks([
        [0.25, 1, 0, 0.75],
        [0.5, 0.5, 0.5, 0.5],
      ]),
    );
    near(soft.prototypes.dataSync(), [2.6875, 1.0625, 2.8125, 1.4375]);
    expect(value(prototypeAlignmentLoss(soft, regionPrototypes(F, mF)))).toBeCloseTo(0.0507813, 6);
  });

  it("D5: a class that a sample lacks is averaged over the others; one that all lack drops out, never NaN", () => {
    const partial = regionPrototypes(
      G,
      masks([
        [0, 1, 1, 0],
        [0, 0, 0, 0],
      ]),
    );
    near(partial.prototypes.dataSync().slice(2), [1.5, 0.5]);
    expect(value(prototypeAlignmentLoss(regionPrototypes(F, mF), partial))).toBeCloseTo(0.84375 - 0 * 1, 5);
    const none = regionPrototypes(
      G,
      masks([
        [0, 0, 0, 0],
        [0, 0, 0, 0],
      ]),
    );
    expect(none.valid).toEqual([true, false]);
    const loss = (f: tf.Tensor) =>
      prototypeAlignmentLoss(
        maskedPrototypes(
          f,
          masks([
            [1, 1, 1, 1],
            [1, 1, 1, 1],
          ]),
        ),
        maskedPrototypes(
          G,
          masks([
            [0, 0, 0, 0],
            [0, 0, 0, 0],
          ]),
        ),
      );
    expect(value(loss(F))).toBe(0);
    expect(
      tf
        .grad((f: tf.Tensor) => loss(f))(F)
        .dataSync()
        .every((v) => v === 0),
    ).toBe(true);
  });

  it("D2: 0 for identical input, invariant to permuting voxels and samples, scales with the square", () => {
    const loss = (f: tf.Tensor, g: tf.Tensor, m: tf.Tensor, k: tf.Tensor) =>
      value(prototypeAlignmentLoss(regionPrototypes(f, m), regionPrototypes(g, k)));
    expect(loss(F, F, mF, mF)).toBe(0);
    const base = loss(F, G, mF, mG);
    const voxels = (t: tf.Tensor) => tf.gather(t, [2, 0, 3, 1], 2);
    const samples = (t: tf.Tensor) => tf.gather(t, [1, 0], 0);
    expect(loss(voxels(F), G, voxels(mF), mG)).toBeCloseTo(base, 5);
    expect(loss(samples(F), G, samples(mF), mG)).toBeCloseTo(base, 5);
    expect(loss(tf.mul(F, 3), tf.mul(G, 3), mF, mG)).toBeCloseTo(9 * base, 4);
    const classes = (t: tf.Tensor) => tf.gather(t, [1, 0], 3);
    expect(loss(F, G, classes(mF), classes(mG))).toBeCloseTo(base, 5);
  });

  it("D2: a class's row ignores features outside its mask", () => {
    const outside = (c: number) => tf.mul(tf.sub(1, tf.slice(mF, [0, 0, 0, c], [2, 1, 4, 1])), 50);
    const rows = regionPrototypes(F, mF).prototypes;
    for (const c of [0, 1]) {
      const changed = regionPrototypes(tf.add(F, outside(c)), mF).prototypes;
      const own = (t: tf.Tensor) => tf.slice(t, [c, 0], [1, 2]).dataSync();
      near(own(changed), [...own(rows)]);
      expect(value(tf.max(tf.abs(tf.sub(changed, rows))))).toBeGreaterThan(1);
    }
  });

  it("D13: rows of two classes are exactly the binary foreground and background", () => {
    const foreground = tf.slice(mF, [0, 0, 0, 1], [2, 1, 4, 1]);
    const binary = (m: tf.Tensor) => tf.mean(tf.div(tf.sum(tf.mul(F, m), [1, 2]), tf.sum(m, [1, 2])), 0).dataSync();
    const rows = regionPrototypes(F, mF).prototypes.dataSync();
    expect([...rows]).toEqual([...binary(tf.sub(1, foreground)), ...binary(foreground)]);
  });

  it("gradients reach both sides and agree with numeric ones", () => {
    const loss = (f?: tf.Tensor, g?: tf.Tensor) =>
      prototypeAlignmentLoss(maskedPrototypes(f!, mF), maskedPrototypes(g!, mG));
    expect(gradientError(loss, [F, G])).toBeLessThan(2e-3);
    expect(
      tf
        .grads(loss)([F, G])
        .every((g) => value(tf.max(tf.abs(g))) > 0),
    ).toBe(true);
  });

  it("D8 and D9: fused targets, and the ends of sigma", () => {
    const y = (v: number[]) =>
      tf.tensor(
        v.flatMap((p) => [1 - p, p]),
        [1, 1, 4, 2],
      );
    const args = {
      labeled: tf.ones([1, 1, 4, 1]),
      unlabeled: tf.zeros([1, 1, 4, 1]),
      labels: y([1, 1, 0, 0]),
      pseudoLabels: y([1, 0, 1, 0]),
    };
    const { image, target } = fuseImages({ ...args, sigma: [0.25] });
    near(image.dataSync(), [0.25, 0.25, 0.25, 0.25]);
    near(tf.slice(target, [0, 0, 0, 1], [1, 1, 4, 1]).dataSync(), [1, 0.25, 0.75, 0]);
    expect(fuseImages({ ...args, sigma: [1] }).target.dataSync()).toEqual(args.labels.dataSync());
    expect(fuseImages({ ...args, sigma: [0] }).target.dataSync()).toEqual(args.pseudoLabels.dataSync());
  });

  it("D10: a normalised loss has value 1 and the gradient of its logarithm", () => {
    const x = tf.scalar(3);
    const f = (t: tf.Tensor) => tf.mul(normalizedLoss(tf.square(t) as tf.Scalar), 0.3) as tf.Scalar;
    expect(value(f(x))).toBeCloseTo(0.3, 6);
    expect(value(tf.grad(f)(x))).toBeCloseTo(0.2, 6);
    expect(value(normalizedLoss(tf.scalar(0)))).toBe(0);
    // However a loss is scaled, its gradient stays.
    const scaled = (t: tf.Tensor) => normalizedLoss(tf.mul(tf.square(t), 1000) as tf.Scalar);
    expect(value(tf.grad(scaled)(x))).toBeCloseTo(2 / 3, 6);
  });

  it("refuse halves that do not pair and masks that do not fit; leave no tensors", () => {
    const ones = (n: number, c = 1) => tf.ones([n, 1, 4, c]);
    expect(() =>
      fuseImages({
        labeled: ones(2),
        unlabeled: ones(1),
        labels: ones(2, 2),
        pseudoLabels: ones(2, 2),
        sigma: [0.5, 0.5],
      }),
    ).toThrow("same number of samples");
    expect(() =>
      fuseImages({ labeled: ones(2), unlabeled: ones(2), labels: ones(2, 2), pseudoLabels: ones(2, 2), sigma: [0.5] }),
    ).toThrow("sigma");
    const other = { labeled: ones(1), unlabeled: tf.ones([1, 1, 5, 1]), labels: ones(1, 2), sigma: [0.5] };
    expect(() => fuseImages({ ...other, pseudoLabels: ones(1, 2) })).toThrow(ShapeError);
    expect(() => fuseImages({ ...other, unlabeled: ones(1), pseudoLabels: tf.ones([1, 1, 5, 2]) })).toThrow(ShapeError);
    expect(() => regionPrototypes(F, tf.ones([2, 1, 3, 2]))).toThrow(ShapeError);
    expect(leakedTensors(() => regionPrototypes(F, mF).prototypes)).toBe(0);
    expect(
      leakedTensors(() => tf.tidy(() => prototypeAlignmentLoss(maskedPrototypes(F, mF), maskedPrototypes(G, mG)))),
    ).toBe(0);
  });
});
