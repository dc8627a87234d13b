import { correlationMatrix, omniCorrelationConsistency } from "@semiseg/correlation";
import { RandomStream } from "@semiseg/nn";
import { eachBackend, gradientError, leakedTensors } from "@semiseg/test-utils";
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import { correlationLoss } from "../src/correlation-loss.js";

const random = new RandomStream(4);
const memories = [random.normal([3, 4]), null, random.normal([2, 4])];
const queries = (rows: number): [tf.Tensor, tf.Tensor] => [random.normal([rows, 4]), random.normal([rows, 4])];
const value = (t: tf.Tensor): number => t.dataSync()[0]!;
const composed = (v: tf.Tensor, a: tf.Tensor, detachTarget = false): tf.Scalar =>
  omniCorrelationConsistency({
    correlationV: correlationMatrix(v, memories, { temperature: 0.5 }),
    correlationA: correlationMatrix(a, memories, { temperature: 0.5 }),
    detachTarget,
  });
const fused = (v: tf.Tensor, a: tf.Tensor, detachTarget = false): tf.Scalar =>
  correlationLoss({ queriesV: v, queriesA: a, memories, temperature: 0.5, detachTarget });

eachBackend("correlationLoss", () => {
  it("is the consistency of the two correlation matrices, gradients too", () => {
    const [v, a] = queries(7);
    expect(value(fused(v, a))).toBeCloseTo(value(composed(v, a)), 5);
    const [own, expected] = [fused, composed].map((loss) =>
      tf.grads((x: tf.Tensor, y: tf.Tensor) => tf.mul(loss(x, y), 3) as tf.Scalar)([v, a]),
    );
    for (const [i, g] of own!.entries()) expect(value(tf.max(tf.abs(tf.sub(g, expected![i]!))))).toBeLessThan(1e-5);
    expect(gradientError((x, y) => fused(x!, y!), queries(3))).toBeLessThan(5e-3);
  });

  it("with a detached target moves the first network's queries as before and the target not at all", () => {
    const [v, a] = queries(5);
    const [free, cut] = [false, true].map((detach) =>
      tf.grads((x: tf.Tensor, y: tf.Tensor) => fused(x, y, detach))([v, a]),
    );
    expect(cut![0]!.dataSync()).toEqual(free![0]!.dataSync());
    expect(value(tf.max(tf.abs(cut![1]!)))).toBe(0);
    expect(value(tf.max(tf.abs(free![1]!)))).toBeGreaterThan(0);
  });

  it("goes through many rows in blocks without a difference, and leaves no tensors", () => {
    const [v, a] = queries(7);
    const loss = (x: tf.Tensor, y: tf.Tensor, block: number): tf.Scalar =>
      correlationLoss({ queriesV: x, queriesA: y, memories, temperature: 0.5, detachTarget: false, block });
    const of = (block: number) => tf.grads((x: tf.Tensor, y: tf.Tensor) => loss(x, y, block))([v, a]);
    const whole = of(1000);
    // Rows of 5 numbers: two at a time, one at a time.
    for (const block of [10, 1]) {
      expect(value(loss(v, a, block))).toBeCloseTo(value(loss(v, a, 1000)), 5);
      for (const [i, g] of of(block).entries()) expect(value(tf.max(tf.abs(tf.sub(g, whole[i]!))))).toBeLessThan(1e-6);
    }
    expect(leakedTensors(() => of(10))).toBe(0);
  });
});
