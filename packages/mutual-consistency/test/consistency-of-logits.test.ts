import { mutualConsistencyLoss } from "@semiseg/mutual-consistency";
import { RandomStream } from "@semiseg/nn";
import { eachBackend, gradientError, leakedTensors } from "@semiseg/test-utils";
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import { consistencyOfLogits } from "../src/consistency-of-logits.js";

const outputs = (count: number): tf.Tensor[] =>
  Array.from({ length: count }, (_, i) => new RandomStream(i).normal([2, 3, 3]));
const value = (t: tf.Tensor): number => t.dataSync()[0]!;

eachBackend("consistencyOfLogits", () => {
  it("is the sum of mutualConsistencyLoss over all pairs, gradients too, with and without detached targets", () => {
    for (const detachTargets of [false, true])
      for (const count of [2, 3]) {
        const z = outputs(count);
        const options = { temperature: 0.5, detachTargets };
        const pairs = (...logits: tf.Tensor[]): tf.Scalar => {
          const probs = logits.map((x) => tf.softmax(x));
          return tf.addN(
            probs.flatMap((a, i) => probs.slice(i + 1).map((b) => mutualConsistencyLoss(a, b, options))),
          ) as tf.Scalar;
        };
        const fused = (...logits: tf.Tensor[]): tf.Scalar => consistencyOfLogits(logits, options);
        expect(value(fused(...z))).toBeCloseTo(value(pairs(...z)), 5);
        const [a, b] = [tf.grads(fused)(z), tf.grads(pairs)(z)];
        for (const [i, g] of a.entries()) expect(value(tf.max(tf.abs(tf.sub(g, b[i]!))))).toBeLessThan(1e-5);
      }
  });

  it("has the gradient of its logits, stays finite for extreme ones and leaves no tensors", () => {
    const options = { temperature: 0.5, detachTargets: false };
    expect(gradientError((a, b) => consistencyOfLogits([a!, b!], options), outputs(2))).toBeLessThan(5e-3);
    const sure = [tf.tensor2d([[60, -60]]), tf.tensor2d([[-60, 60]])];
    const f = (...z: tf.Tensor[]): tf.Scalar => consistencyOfLogits(z, { temperature: 0.1, detachTargets: false });
    expect(value(f(...sure))).toBeCloseTo(2, 6);
    for (const g of tf.grads(f)(sure)) expect(g.dataSync().every(Number.isFinite)).toBe(true);
    expect(leakedTensors(() => tf.grads(f)(sure))).toBe(0);
  });
});
