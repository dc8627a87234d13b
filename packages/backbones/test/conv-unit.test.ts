import { batchNorm, conv, groupNorm, leakyRectify, RandomStream, transposedConv } from "@semiseg/nn";
import { eachBackend } from "@semiseg/test-utils";
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import { convUnit } from "../src/conv-unit.js";

const numbers = (x: tf.Tensor): number[] => [...x.dataSync()];
const farthest = (a: tf.Tensor, b: tf.Tensor): number => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0]!;
const common = { spatialDims: 3, inChannels: 2, outChannels: 3 } as const;
const layers = {
  plain: () => conv({ ...common, kernelSize: 3, random: new RandomStream(1) }),
  transposed: () => transposedConv({ ...common, random: new RandomStream(1) }),
};
const x = () => new RandomStream(2).normal([2, 3, 2, 4, 2]);

eachBackend("convUnit", () => {
  it("equals convolution with bias, batch norm, activation: in training, outside, and in its running statistics", () => {
    for (const kind of ["plain", "transposed"] as const)
      for (const activation of ["relu", "leakyRelu", "none"] as const) {
        const unit = convUnit(layers[kind](), 3, "batch", activation, kind === "transposed");
        const convolution = layers[kind]();
        const norm = batchNorm({ channels: 3 });
        for (const module of [unit.norm!, norm]) {
          module.named.get("weight")!.assign(tf.tensor([0.5, -1, 2]));
          module.named.get("bias")!.assign(tf.tensor([0.1, 0.2, -0.3]));
        }
        const activate = { relu: tf.relu, leakyRelu: (y: tf.Tensor) => leakyRectify(y), none: (y: tf.Tensor) => y };
        const separate = (training: boolean) => activate[activation](norm.apply(convolution.apply(x()), { training }));
        for (const training of [true, true, false])
          expect(farthest(unit.apply(x(), { training }), separate(training))).toBeLessThan(1e-4);
        for (const name of ["running_mean", "running_var"])
          expect(farthest(unit.norm!.named.get(name)!, norm.named.get(name)!)).toBeLessThan(1e-5);
      }
  });

  it("gives the bias before batch or instance norm a gradient of exactly 0, before group norm its own", () => {
    for (const normalization of ["batch", "instance", "group"] as const) {
      const wide = conv({ spatialDims: 2, inChannels: 1, outChannels: 32, kernelSize: 1, random: new RandomStream(1) });
      const unit = convUnit(wide, 32, normalization, "relu");
      const image = new RandomStream(3).normal([2, 3, 3, 1]);
      const loss = () => tf.sum(tf.square(unit.apply(image, { training: true }))) as tf.Scalar;
      const gradient = numbers(tf.variableGrads(loss, [wide.bias!]).grads[wide.bias!.name]!);
      const largest = Math.max(...gradient.map(Math.abs));
      if (normalization === "group") expect(largest).toBeGreaterThan(1e-3);
      else expect(largest).toBe(0);
    }
  });

  it("equals convolution with bias and group norm, whose groups a bias can shift", () => {
    const options = {
      spatialDims: 2,
      inChannels: 1,
      outChannels: 32,
      kernelSize: 1,
      random: new RandomStream(1),
    } as const;
    const layer = conv(options);
    const image = new RandomStream(3).normal([2, 3, 3, 1]);
    const expected = tf.relu(groupNorm({ channels: 32, groups: 16 }).apply(layer.apply(image)));
    expect(farthest(convUnit(layer, 32, "group", "relu").apply(image), expected)).toBeLessThan(1e-5);
  });

  it("is differentiable outside training, through the folded kernel", () => {
    const unit = convUnit(layers.plain(), 3, "batch", "relu");
    const { weight } = unit.conv;
    const loss = () => tf.sum(tf.square(unit.apply(x()))) as tf.Scalar;
    const gradient = tf.variableGrads(loss, [weight]).grads[weight.name]!;
    const before = weight.dataSync().slice();
    const at = (i: number, delta: number) => {
      weight.assign(
        tf.tensor(
          before.map((v, j) => (i === j ? v + delta : v)),
          weight.shape,
        ),
      );
      return loss().dataSync()[0]!;
    };
    for (const i of [0, 50, 161]) {
      const numeric = (at(i, 1e-2) - at(i, -1e-2)) / 2e-2;
      expect(Math.abs(gradient.dataSync()[i]! - numeric)).toBeLessThan(1e-2 * Math.max(1, Math.abs(numeric)));
    }
  });
});
