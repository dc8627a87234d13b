import { CheckpointError, OptionError, ShapeError } from "@semiseg/errors";
import { RandomStream } from "@semiseg/nn";
import { eachBackend, gradientError, leakedTensors } from "@semiseg/test-utils";
import {
  ConfidenceThresholds,
  clippedNoise,
  entropyThreshold,
  klVariance,
  monteCarloProbabilities,
  predictiveEntropy,
  reliableMask,
} from "@semiseg/uncertainty";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";

const rows = (values: number[][]): tf.Tensor => tf.tensor(values.flat(), [1, 1, values.length, values[0]!.length]);

describe("entropyThreshold", () => {
  it("rises from 0.75 ln C-ish to ln C with the published values", () => {
    for (const [step, want] of [
      [0, 0.521028],
      [15000, 0.5695079],
      [30000, Math.LN2],
    ] as const)
      expect(entropyThreshold(step, 30000, 2)).toBeCloseTo(want, 6);
    expect(entropyThreshold(30000, 30000, 4)).toBeCloseTo(Math.log(4), 12);
    expect(() => entropyThreshold(0, 10, 1)).toThrow(OptionError);
  });
});

eachBackend("uncertainty", () => {
  it("predictiveEntropy: U3, and U4: the entropy of the mean, not the mean of entropies", () => {
    for (const [q, want] of [
      [0.5, 0.6931451],
      [0.6, 0.6730097],
      [0.7, 0.6108623],
      [0.75, 0.5623331],
      [0.8, 0.5004004],
      [0.9, 0.325081],
    ] as const)
      expect(predictiveEntropy([rows([[q, 1 - q]])]).dataSync()[0]).toBeCloseTo(want, 5);
    expect(predictiveEntropy([rows([[0.9, 0.1]]), rows([[0.3, 0.7]])]).dataSync()[0]).toBeCloseTo(0.6730097, 5);
    expect(() => predictiveEntropy([])).toThrow(OptionError);
    expect(() =>
      predictiveEntropy([
        rows([[1, 0]]),
        rows([
          [1, 0],
          [0, 1],
        ]),
      ]),
    ).toThrow(ShapeError);
  });

  it("masks grow with the step and let everything through at the end", () => {
    const entropy = predictiveEntropy([
      rows([
        [0.5, 0.5],
        [0.7, 0.3],
        [0.9, 0.1],
      ]),
    ]);
    const at = (step: number) => Array.from(reliableMask(entropy, entropyThreshold(step, 100, 2)).dataSync());
    const [a, b, c] = [at(0), at(60), at(100)];
    expect(a.every((v, i) => v <= b[i]! && b[i]! <= c[i]!)).toBe(true);
    expect(c).toEqual([1, 1, 1]);
    expect(a[0]).toBe(0);
  });

  it("klVariance: 0 where predictions agree, a hand-computed value, a gradient, no leak, shapes that differ refused", () => {
    const a = tf.tensor([0.5, 0.5, 0.9, 0.1], [1, 2, 2]);
    const b = tf.tensor([0.5, 0.5, 0.3, 0.7], [1, 2, 2]);
    const values = klVariance([a, b], { epsilon: 1e-12 }).dataSync();
    // Mean (0.6, 0.4): half of KL(mean || a) + KL(mean || b).
    const kl = (q: number) => 0.6 * Math.log(0.6 / q) + 0.4 * Math.log(0.4 / (1 - q));
    expect(values[0]).toBeCloseTo(0, 6);
    expect(values[1]).toBeCloseTo((kl(0.9) + kl(0.3)) / 2, 5);
    expect(
      gradientError(
        (x) => tf.sum(klVariance([tf.softmax(x), tf.softmax(b)])),
        [tf.tensor([0.3, -0.2, 1, 0.5], [1, 2, 2])],
      ),
    ).toBeLessThan(1e-2);
    expect(leakedTensors(() => klVariance([a, b]))).toBe(0);
    expect(() => klVariance([a, tf.zeros([1, 3, 2])])).toThrow(ShapeError);
    expect(() => klVariance([])).toThrow();
  });

  it("monteCarloProbabilities: noise is bounded, passes differ with it and agree without, seeds repeat", () => {
    const x = tf.ones([2, 3, 3, 1]);
    const logits = (t: tf.Tensor) => tf.concat([t, tf.neg(t)], 3);
    const noise = clippedNoise(new RandomStream(1), [1000], 0.1, 0.2).dataSync();
    expect(Math.max(...noise.map(Math.abs))).toBeLessThanOrEqual(0.2 + 1e-7);
    const run = (noiseStd: number) =>
      monteCarloProbabilities(logits, x, { samples: 3, noiseStd, random: new RandomStream(2) }).map((p) =>
        p.dataSync(),
      );
    const [a, b] = run(0.1);
    expect(a).not.toEqual(b);
    expect(run(0.1)[0]).toEqual(a);
    const [c, d] = run(0);
    expect(c).toEqual(d);
    expect(leakedTensors(() => monteCarloProbabilities(logits, x, { samples: 3, random: new RandomStream(2) }))).toBe(
      0,
    );
  });

  it("ConfidenceThresholds: D6 and D7, floors, ceilings, absent classes", () => {
    const thresholds = new ConfidenceThresholds({ numClasses: 2, numScales: 1 });
    expect(thresholds.values).toEqual([[0.5, 0.5]]);
    thresholds.state = { values: [[0.8, 0.7]] };
    const teacher = rows([0.9, 0.6, 0.3, 0.05].map((p) => [1 - p, p]));
    expect(Array.from(thresholds.certainMask(teacher, 0).dataSync())).toEqual([1, 0, 0, 1]);
    const student = rows([0.8, 0.4, 0.3, 0.1].map((p) => [1 - p, p]));
    const pseudo = tf.tensor([1, 1, 0, 0], [1, 1, 4], "int32");
    thresholds.update(student, pseudo, 0);
    expect(thresholds.values[0]![1]).toBeCloseTo(0.699, 6);
    expect(thresholds.values[0]![0]).toBeCloseTo(0.8, 6);
    const single = (tau: number, a: number) => {
      const t = new ConfidenceThresholds({ numClasses: 2, numScales: 1 });
      t.state = { values: [[0.5, tau]] };
      t.update(rows([[1 - a, a]]), tf.tensor([1], [1, 1, 1], "int32"), 0);
      return t.values[0]!;
    };
    expect(single(0.5, 0.9)[1]).toBeCloseTo(0.504, 6);
    expect(single(0.5, 0.3)).toEqual([0.5, 0.5]);
    expect(single(0.95, 0.99)[1]).toBe(0.95);
    const slow = new ConfidenceThresholds({ numClasses: 2, numScales: 1 });
    for (let i = 0; i < 100; i++) slow.update(rows([[0.1, 0.9]]), tf.tensor([1], [1, 1, 1], "int32"), 0);
    expect(slow.values[0]![1]).toBeCloseTo(0.7535871, 6);
    expect(slow.values[0]![0]).toBe(0.5);
  });

  it("ConfidenceThresholds: state round trip, bad states and shapes refused, no leak", () => {
    const t = new ConfidenceThresholds({ numClasses: 3, numScales: 2 });
    expect(() => {
      t.state = { values: [[1, 2]] };
    }).toThrow(CheckpointError);
    expect(() => t.certainMask(rows([[0.5, 0.5]]), 0)).toThrow(ShapeError);
    expect(() => t.certainMask(rows([[0.2, 0.3, 0.5]]), 2)).toThrow("scale");
    const p = rows([[0.2, 0.3, 0.5]]);
    const y = tf.tensor([2], [1, 1, 1], "int32");
    expect(
      leakedTensors(() => {
        t.update(p, y, 0);
        return t.certainMask(p, 0);
      }),
    ).toBe(0);
    const copy = new ConfidenceThresholds({ numClasses: 3, numScales: 2 });
    copy.state = JSON.parse(JSON.stringify(t.state));
    expect(copy.values).toEqual(t.values);
  });
});
