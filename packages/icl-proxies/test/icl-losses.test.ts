import { ShapeError } from "@semiseg/errors";
import { iclLosses } from "@semiseg/icl-proxies";
import { eachBackend, gradientError, leakedTensors } from "@semiseg/test-utils";
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";

const value = (t: tf.Tensor): number => t.dataSync()[0]!;
/** Two pixels, two classes: logits class 0 [ln 3, 0], class 1 [0, 0]. */
const map = tf.tensor([Math.log(3), 0, 0, 0], [1, 1, 2, 2]);
const labels = tf.tensor([0, 1], [1, 1, 2], "int32");
const soft = tf.log(tf.tensor([0.6, 0.4, 0.2, 0.8], [1, 1, 2, 2]));
const args = {
  labels,
  numClasses: 2,
  labeledProxyMaps: [map],
  unlabeledProxyMaps: [soft],
  unlabeledConsistentMaps: [map],
  unlabeledLogits: soft,
};

eachBackend("iclLosses", () => {
  it("G1, G2, G3", () => {
    const { proxy, unsupervised, consistency } = iclLosses(args);
    expect(value(proxy)).toBeCloseTo(0.6956678, 6);
    expect(value(unsupervised)).toBeCloseTo(0.4752947, 5);
    expect(value(consistency)).toBeCloseTo(0.05625, 6);
  });

  it("uniform logits over four classes: CE + Dice is 1.9862896, and the CE part ln 4", () => {
    const uniform = tf.zeros([1, 2, 2, 4]);
    const y = tf.tensor([0, 1, 2, 3], [1, 2, 2], "int32");
    const { proxy } = iclLosses({
      ...args,
      labels: y,
      numClasses: 4,
      labeledProxyMaps: [uniform],
      unlabeledProxyMaps: [],
      unlabeledConsistentMaps: [],
      unlabeledLogits: null,
    });
    expect(value(proxy)).toBeCloseTo(1.9862896, 5);
  });

  it("G4: a coarse map counts for the labels as its interpolation at half-pixel centres", () => {
    const coarse = tf.stack([tf.tensor([0, 1, 2, 3], [1, 2, 2]), tf.zeros([1, 2, 2])], -1);
    const fine = tf.stack(
      [
        tf.tensor([0, 0.25, 0.75, 1, 0.5, 0.75, 1.25, 1.5, 1.5, 1.75, 2.25, 2.5, 2, 2.25, 2.75, 3], [1, 4, 4]),
        tf.zeros([1, 4, 4]),
      ],
      -1,
    );
    const y = tf.tensor(
      Array.from({ length: 16 }, (_, i) => (i % 3 === 0 ? 1 : 0)),
      [1, 4, 4],
      "int32",
    );
    const both = [coarse, fine].map((map) => {
      const { proxy, unsupervised } = iclLosses({
        ...args,
        labels: y,
        labeledProxyMaps: [map],
        unlabeledProxyMaps: [map],
        unlabeledConsistentMaps: [map],
        unlabeledLogits: tf.randomNormal([1, 4, 4, 2], 0, 1, "float32", 7),
      });
      return [value(proxy), value(unsupervised)];
    });
    expect(both[0]![0]).toBeCloseTo(both[1]![0]!, 6);
    expect(both[0]![1]).toBeCloseTo(both[1]![1]!, 6);
  });

  it("averages over scales, resizing maps to the labels", () => {
    const y = tf.tensor(
      Array(16)
        .fill(0)
        .map((_, i) => (i % 4 < 2 ? 0 : 1)),
      [1, 4, 4],
      "int32",
    );
    const coarse = tf.randomNormal([1, 2, 2, 2], 0, 1, "float32", 1);
    const fine = tf.randomNormal([1, 4, 4, 2], 0, 1, "float32", 2);
    const proxy = (maps: tf.Tensor[]) =>
      value(
        iclLosses({
          ...args,
          labels: y,
          labeledProxyMaps: maps,
          unlabeledProxyMaps: [],
          unlabeledConsistentMaps: [],
          unlabeledLogits: null,
        }).proxy,
      );
    expect(proxy([coarse, fine])).toBeCloseTo((proxy([coarse]) + proxy([fine])) / 2, 5);
  });

  it("targets get no gradient; a constant on all class logits changes nothing", () => {
    const total = (g: tf.Tensor, m: tf.Tensor, p: tf.Tensor): tf.Scalar => {
      const { unsupervised, consistency } = iclLosses({
        ...args,
        unlabeledConsistentMaps: [g],
        unlabeledProxyMaps: [m],
        unlabeledLogits: p,
      });
      return tf.add(unsupervised, consistency) as tf.Scalar;
    };
    const gradient = tf.grad((g: tf.Tensor) => total(g, soft, soft))(map);
    expect(value(tf.max(tf.abs(gradient)))).toBeGreaterThan(0);
    for (const f of [
      (x: tf.Tensor) => total(tf.add(map, tf.mul(x, 0)), x, soft),
      (x: tf.Tensor) => total(tf.add(map, tf.mul(x, 0)), soft, x),
    ])
      expect(value(tf.max(tf.abs(tf.grad(f)(soft))))).toBe(0);
    expect(value(total(tf.add(map, 5), soft, soft))).toBeCloseTo(value(total(map, soft, soft)), 5);
    expect(gradientError((g) => total(g!, soft, soft), [map])).toBeLessThan(5e-3);
  });

  it("without unlabelled samples only the supervised part is there", () => {
    const { proxy, unsupervised, consistency } = iclLosses({
      ...args,
      unlabeledProxyMaps: [],
      unlabeledConsistentMaps: [],
      unlabeledLogits: null,
    });
    expect([value(unsupervised), value(consistency)]).toEqual([0, 0]);
    expect(value(proxy)).toBeCloseTo(0.6956678, 6);
  });

  it("refuses maps that do not fit; leaves no tensors", () => {
    expect(() => iclLosses({ ...args, numClasses: 3 })).toThrow(ShapeError);
    expect(() => iclLosses({ ...args, unlabeledProxyMaps: [] })).toThrow("same scales");
    expect(
      leakedTensors(() => {
        const { proxy, unsupervised, consistency } = iclLosses(args);
        return [proxy, unsupervised, consistency];
      }),
    ).toBe(0);
  });
});
