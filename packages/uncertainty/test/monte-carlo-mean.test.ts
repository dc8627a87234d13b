import { RandomStream } from "@semiseg/nn";
import { eachBackend, leakedTensors } from "@semiseg/test-utils";
import { monteCarloMean, monteCarloProbabilities } from "@semiseg/uncertainty";
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";

eachBackend("monteCarloMean", () => {
  it("is the mean of the samples, however many share a pass, and leaves nothing behind", () => {
    const x = new RandomStream(4).normal([2, 3, 4, 1]);
    const forward = (t: tf.Tensor) => tf.concat([t, tf.mul(t, -2), tf.zerosLike(t)], 3);
    for (const [samples, samplesPerPass] of [
      [1, 1],
      [8, 2],
      [5, 3],
    ] as const) {
      const options = () => ({ samples, samplesPerPass, random: new RandomStream(2) });
      const mean = monteCarloMean(forward, x, options()).dataSync();
      const list = monteCarloProbabilities(forward, x, options()).map((p) => p.dataSync());
      expect(list).toHaveLength(samples);
      for (const [i, v] of mean.entries()) expect(v).toBeCloseTo(list.reduce((sum, p) => sum + p[i]!, 0) / samples, 6);
      expect(leakedTensors(() => monteCarloMean(forward, x, options()))).toBe(0);
    }
  });
});
