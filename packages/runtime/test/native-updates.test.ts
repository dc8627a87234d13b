import { FUSED_EMA, FUSED_SGD } from "@semiseg/kernels";
import { initBackend } from "@semiseg/runtime";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";

beforeAll(() => initBackend({ prefer: "tensorflow", quiet: true }));

describe("native updates", () => {
  it("keep memory bounded while the learning rate changes with every step", () => {
    const count = 60;
    const inputs: tf.NamedTensorMap = {};
    for (let i = 0; i < count; i++)
      for (const role of ["variable", "gradient", "velocity"]) inputs[`${role}${i}`] = tf.ones([8]);
    const step = (i: number) => {
      const attrs = { count, learningRate: 0.01 * (1 - i / 4000), momentum: 0.9, weightDecay: 1e-4, nesterov: false };
      tf.dispose(tf.engine().runKernel(FUSED_SGD, inputs, attrs) as unknown as tf.Tensor[]);
    };
    for (let i = 0; i < 500; i++) step(i);
    const before = process.memoryUsage().rss;
    for (let i = 500; i < 3000; i++) step(i);
    // An operator kept per learning rate would be about 75 MiB.
    expect((process.memoryUsage().rss - before) / 2 ** 20).toBeLessThan(30);
    tf.dispose(inputs);
  });

  it("refuse arrays of different shapes instead of reading past an end", () => {
    const attrs = { count: 1, learningRate: 0.1, momentum: 0.9, weightDecay: 0, nesterov: false };
    const inputs = { variable0: tf.ones([8]), gradient0: tf.ones([4]), velocity0: tf.ones([8]) };
    expect(() => tf.engine().runKernel(FUSED_SGD, inputs, attrs)).toThrow(/different shapes/);
    const ema = { target0: tf.ones([8]), source0: tf.ones([2, 4]) };
    expect(() => tf.engine().runKernel(FUSED_EMA, ema, { count: 1, decay: 0.9 })).toThrow(/different shapes/);
  });
});
