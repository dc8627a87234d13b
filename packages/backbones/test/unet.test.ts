import { unet } from "@semiseg/backbones";
import { ShapeError } from "@semiseg/errors";
import { moduleOf, pyTorchStateDict, RandomStream } from "@semiseg/nn";
import { eachBackend, leakedTensors } from "@semiseg/test-utils";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";

const random = new RandomStream(1);
const numbers = (x: tf.Tensor): number[] => [...x.dataSync()];
const small = { baseFilters: 2, seed: 1 } as const;
const spaces = { 2: [32, 16], 3: [16, 16, 32] } as const;

eachBackend("unet", () => {
  it("has as many parameters as the published networks", () => {
    for (const [config, expected] of [
      [{ spatialDims: 2, outChannels: 4 }, 1_813_764],
      [{ spatialDims: 3 }, 5_884_050],
    ] as const) {
      const net = unet(config);
      expect(net.variables.reduce((n, v) => n + (v.trainable ? v.size : 0), 0)).toBe(expected);
      net.dispose();
    }
  });

  it("gives logits, features and heads of the shapes that `provides` announces", () => {
    for (const spatialDims of [2, 3] as const) {
      const space = spaces[spatialDims];
      const net = unet({
        ...small,
        spatialDims,
        inChannels: 2,
        outChannels: 3,
        deepSupervision: true,
        attentionGates: true,
        heads: ["distance"],
      });
      const { logits, features, heads } = net.apply(random.normal([1, ...space, 2]));
      const { provides } = net;
      const all = [...provides.encoder, ...provides.decoder, ...provides.gated];
      expect(all.map((spec) => spec.name).sort()).toEqual(Object.keys(features).sort());
      for (const { name, stride, channels } of [...all, provides.embedding])
        expect([name, features[name]!.shape]).toEqual([name, [1, ...space.map((n) => n / stride), channels]]);
      for (const { feature, head } of provides.scales)
        expect((head === "logits" ? logits : heads[head])?.shape).toEqual([
          1,
          ...space.map((n) => n / feature.stride),
          3,
        ]);
      expect(heads["distance"]!.shape).toEqual([1, ...space, 2]);
      expect(Object.keys(heads).sort()).toEqual([...provides.heads].sort());
      net.dispose();
    }
  });

  it("names variables as the public PyTorch networks do", () => {
    const flat = [...unet({ ...small, spatialDims: 2 }).named.keys()];
    for (const name of [
      "encoder.in_conv.conv_conv.0.weight",
      "encoder.in_conv.conv_conv.5.running_var",
      "encoder.down4.maxpool_conv.1.conv_conv.4.bias",
      "decoder.up1.conv1x1.weight",
      "decoder.up4.conv.conv_conv.1.weight",
      "decoder.out_conv.bias",
    ])
      expect(flat).toContain(name);
    const deep = [...unet(small).named.keys()];
    for (const name of [
      "conv1.conv1.0.weight",
      "center.conv2.0.bias",
      "up_concat4.conv.conv1.0.weight",
      "final.weight",
    ])
      expect(deep).toContain(name);
  });

  it("gates its skips, leaving initial weights of all other parts as they are", () => {
    for (const spatialDims of [2, 3] as const) {
      const [plain, gated] = [unet({ ...small, spatialDims }), unet({ ...small, spatialDims, attentionGates: true })];
      for (const [name, variable] of plain.named) expect(numbers(gated.named.get(name)!)).toEqual(numbers(variable));
      const extra = [...gated.named.keys()].filter((name) => !plain.named.has(name));
      expect(extra.length).toBe(4 * 3 * 6);
      expect(extra.every((name) => name.startsWith("gate_d"))).toBe(true);
      const { features } = gated.apply(random.normal([1, ...spaces[spatialDims], 1]));
      expect(gated.provides.gated.map(({ name }) => name)).toEqual(["e4a", "e3a", "e2a", "e1a"]);
      for (const { name } of gated.provides.gated) {
        const left = tf.sub(tf.abs(features[name.slice(0, 2)]!), tf.abs(features[name]!));
        expect(tf.min(left).dataSync()[0], name).toBeGreaterThanOrEqual(0);
        expect(tf.max(left).dataSync()[0], name).toBeGreaterThan(0);
      }
      // A gate is no part of the plain network, whose dict is enough.
      gated.fromPyTorch(pyTorchStateDict(plain));
      for (const net of [plain, gated]) net.dispose();
    }
  });

  it("reads a PyTorch state dict", () => {
    for (const spatialDims of [2, 3] as const) {
      const [a, b] = [unet({ ...small, spatialDims }), unet({ ...small, spatialDims, seed: 5 })];
      b.fromPyTorch(pyTorchStateDict(a));
      const x = random.normal([1, ...spaces[spatialDims], 1]);
      expect(numbers(b.apply(x).logits)).toEqual(numbers(a.apply(x).logits));
      expect(() => a.fromPyTorch(new Map())).toThrow("missing");
    }
  });

  it("sends gradients to every trainable variable, without leaking", () => {
    for (const spatialDims of [2, 3] as const) {
      const net = unet({ ...small, spatialDims, normalization: "batch", deepSupervision: true, attentionGates: true });
      const x = random.normal([1, ...spaces[spatialDims], 1]);
      const trainable = net.variables.filter((v) => v.trainable);
      const step = () =>
        tf.variableGrads(() => {
          const { logits, heads } = net.apply(x, { training: true, random: new RandomStream(1) });
          return tf.addN([logits, ...Object.values(heads)].map((y) => tf.mean(tf.square(y)))) as tf.Scalar;
        }, trainable);
      const { grads } = step();
      for (const v of trainable) expect(grads[v.name] && numbers(grads[v.name]!).every(Number.isFinite)).toBe(true);
      expect(leakedTensors(() => step() as unknown as tf.TensorContainer)).toBe(0);
      net.dispose();
    }
  });

  it("uses dropout while training only", () => {
    const net = unet({ ...small, spatialDims: 2 });
    const x = random.normal([1, 32, 16, 1]);
    const run = (seed: number) => numbers(net.apply(x, { training: true, random: new RandomStream(seed) }).logits);
    expect(run(1)).toEqual(run(1));
    expect(run(1)).not.toEqual(run(2));
    expect(() => net.apply(x, { training: true })).toThrow("options.random");
    const still = unet({ ...small, spatialDims: 2, dropout: 0 });
    expect([net.provides.dropout, still.provides.dropout]).toEqual([true, false]);
    still.apply(x, { training: true });
  });

  it("clones, and puts hooks behind their stage", () => {
    const net = unet({ ...small, spatialDims: 2 });
    const copy = net.clone();
    const x = random.normal([1, 16, 16, 1]);
    expect(numbers(copy.apply(x).logits)).toEqual(numbers(net.apply(x).logits));
    net.dispose();
    expect(copy.apply(x).logits.shape).toEqual([1, 16, 16, 2]);
    const hooked = unet({ ...small, spatialDims: 2, hooks: { e4: { ...moduleOf({}), apply: (y) => tf.mul(y, 0) } } });
    expect(Math.max(...numbers(hooked.apply(x).features["e4"]!))).toBe(0);
  });

  it("refuses sizes that are not multiples of 16, naming the remedy", () => {
    const net = unet({ ...small, spatialDims: 2 });
    expect(() => net.apply(tf.ones([1, 20, 16, 1]))).toThrow(ShapeError);
    expect(() => net.apply(tf.ones([1, 20, 16, 1]))).toThrow("pad to [32, 16]");
  });
});

describe("unet options", () => {
  it("are checked when the network is made", () => {
    expect(() => unet({ spatialDims: 2, dropout: [0.1, 0.2] })).toThrow("five, one for each encoder stage");
    expect(() => unet({ dropout: 1 })).toThrow("dropout");
    expect(() => unet({ hooks: { x1: { ...moduleOf({}), apply: (x: tf.Tensor) => x } } })).toThrow("'e1'");
  });
});
