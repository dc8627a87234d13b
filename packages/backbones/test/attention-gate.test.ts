import { attentionGate } from "@semiseg/backbones";
import { RandomStream } from "@semiseg/nn";
import { eachBackend, gradientError } from "@semiseg/test-utils";
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";

const gateOf = (spatialDims: 2 | 3, channels: number, intermediate: number) =>
  attentionGate({ spatialDims, channels, intermediate, random: new RandomStream(1) });

eachBackend("attentionGate", () => {
  it("has the parameters of the published gates", () => {
    const count = (channels: number, intermediate: number) =>
      gateOf(3, channels, intermediate).variables.reduce((n, v) => n + (v.trainable ? v.size : 0), 0);
    expect([count(128, 64), count(64, 32), count(32, 16), count(16, 32)]).toEqual([16835, 4323, 1139, 1251]);
  });

  it("computes skip * sigmoid(ReLU(gate + skip)) with unit weights", () => {
    const gate = gateOf(2, 1, 1);
    for (const [name, v] of gate.named)
      if (name.endsWith(".0.weight")) v.assign(tf.onesLike(v));
      else if (name.endsWith(".0.bias")) v.assign(tf.zerosLike(v));
    const row = (values: number[]) => tf.tensor(values, [1, 1, 3, 1]);
    const y = [...gate.apply(row([-2, 0, 1]), row([1, 2, 3])).dataSync()];
    // The running variance of 1 is divided by sqrt(1 + 1e-5) three times.
    for (const [i, expected] of [0.5, 1.76159, 2.9460393].entries()) expect(y[i]).toBeCloseTo(expected, 4);
  });

  it("uses one factor for all channels of a voxel, between 0 and 1", () => {
    const random = new RandomStream(3);
    const skip = random.normal([2, 2, 2, 2, 4]);
    const factor = tf.div(gateOf(3, 4, 2).apply(random.normal([2, 2, 2, 2, 4]), skip, { training: true }), skip);
    expect(tf.max(tf.sub(tf.max(factor, 4), tf.min(factor, 4))).dataSync()[0]).toBeLessThan(1e-4);
    expect(tf.min(factor).dataSync()[0]).toBeGreaterThan(0);
    expect(tf.max(factor).dataSync()[0]).toBeLessThan(1);
  });

  it("is 3-D with weights of seed 0 unless told otherwise, and reads a gate of another width", () => {
    const gate = attentionGate({ channels: 3, gateChannels: 5, intermediate: 2 });
    const same = attentionGate({ spatialDims: 3, channels: 3, gateChannels: 5, intermediate: 2 });
    const random = new RandomStream(3);
    const [g, x] = [random.normal([1, 2, 2, 2, 5]), random.normal([1, 2, 2, 2, 3])];
    const y = gate.apply(g, x);
    expect(y.shape).toEqual(x.shape);
    expect(y.dataSync()).toEqual(same.apply(g, x).dataSync());
    expect(() => attentionGate({ channels: 3, gateChannels: 0, intermediate: 2 })).toThrow("gateChannels");
  });

  it("has the gradients of both inputs", () => {
    const random = new RandomStream(4);
    const gate = gateOf(3, 2, 2);
    const f = (g: tf.Tensor, x: tf.Tensor) => tf.sum(tf.square(gate.apply(g, x))) as tf.Scalar;
    expect(gradientError(f, [random.normal([1, 2, 2, 1, 2]), random.normal([1, 2, 2, 1, 2])])).toBeLessThan(1e-2);
  });
});
