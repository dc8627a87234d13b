import { vnet } from "@semiseg/backbones";
import { CheckpointError, CompatibilityError, ShapeError } from "@semiseg/errors";
import { type Layer, moduleOf, pyTorchStateDict, RandomStream, sgd } from "@semiseg/nn";
import { eachBackend, leakedTensors } from "@semiseg/test-utils";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";

const random = new RandomStream(1);
const numbers = (x: tf.Tensor): number[] => [...x.dataSync()];
const farthest = (a: tf.Tensor, b: tf.Tensor): number => tf.tidy(() => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0]!);

eachBackend("vnet parameters", () => {
  const count = (config: Parameters<typeof vnet>[0], filter = /^/): number => {
    const net = vnet(config);
    const total = [...net.named].reduce((n, [name, v]) => n + (v.trainable && filter.test(name) ? v.size : 0), 0);
    net.dispose();
    return total;
  };
  const decoder = /^(block_.*_up|block_(six|seven|eight|nine)|out_conv)/;

  it("are as many as in the published networks", () => {
    expect(count({})).toBe(9_448_866);
    expect(count({}, decoder)).toBe(2_071_970);
    expect(count({ decoders: ["trilinear"] }, decoder)).toBe(2_898_850);
    expect(count({ deepSupervision: true })).toBe(9_449_320);
    expect(count({ attentionGates: true })).toBe(9_472_414);
    expect(count({ heads: ["distance"] })).toBe(9_448_866 + 17);
  });
});

eachBackend("vnet", () => {
  const small = { baseFilters: 4, seed: 1 } as const;

  it("gives logits, features and heads of the shapes that `provides` announces", () => {
    for (const spatialDims of [2, 3] as const) {
      const net = vnet({
        ...small,
        spatialDims,
        inChannels: 2,
        outChannels: 3,
        deepSupervision: true,
        attentionGates: true,
        heads: ["distance"],
        decoders: ["transposed", "trilinear", "nearest"],
      });
      const space = spatialDims === 2 ? [32, 16] : [16, 16, 32];
      const { logits, features, heads } = net.apply(random.normal([2, ...space, 2]));
      expect(logits.shape).toEqual([2, ...space, 3]);
      const { provides } = net;
      const all = [
        ...provides.encoder,
        ...provides.decoder,
        ...provides.gated,
        ...provides.scales.map((s) => s.feature),
      ];
      for (const { name, stride, channels } of [...all, provides.embedding])
        expect([name, features[name]?.shape]).toEqual([name, [2, ...space.map((n) => n / stride), channels]]);
      expect(new Set(all.map((spec) => spec.name))).toEqual(new Set(Object.keys(features)));
      expect(Object.keys(heads).sort()).toEqual([...provides.heads].sort());
      expect(heads["distance"]!.shape).toEqual([2, ...space, 2]);
      for (const { feature, head } of provides.scales)
        expect((head === "logits" ? logits : heads[head])?.shape).toEqual([
          2,
          ...space.map((n) => n / feature.stride),
          3,
        ]);
      for (const head of ["decoder1", "decoder2"]) expect(heads[head]!.shape).toEqual(logits.shape);
      tf.dispose([features, heads, logits]);
      net.dispose();
    }
  });

  it("adds skips, so that u minus the skip is what the step up gave", () => {
    const net = vnet({ ...small, spatialDims: 2 });
    const { features } = net.apply(random.normal([1, 16, 16, 1]));
    // The step up ends in a ReLU.
    for (const [u, x] of [
      ["u5", "x4"],
      ["u6", "x3"],
      ["u7", "x2"],
      ["u8", "x1"],
    ] as const)
      expect(tf.min(tf.sub(features[u]!, features[x]!)).dataSync()[0]).toBeGreaterThan(-1e-6);
    net.dispose();
  });

  it("keeps initial weights of the parts whatever other parts there are", () => {
    const plain = vnet(small);
    const rich = vnet({ ...small, attentionGates: true, deepSupervision: true, decoders: ["transposed", "trilinear"] });
    for (const [name, variable] of plain.named) expect(numbers(rich.named.get(name)!)).toEqual(numbers(variable));
    expect(numbers(vnet({ ...small, seed: 2 }).named.get("out_conv.weight")!)).not.toEqual(
      numbers(plain.named.get("out_conv.weight")!),
    );
  });

  it("needs a random stream while training with dropout, and repeats itself given the same one", () => {
    const net = vnet({ ...small, spatialDims: 2 });
    const x = random.normal([1, 32, 16, 1]);
    expect(() => net.apply(x, { training: true })).toThrow("options.random");
    const run = (seed: number) => numbers(net.apply(x, { training: true, random: new RandomStream(seed) }).logits);
    expect(run(4)).toEqual(run(4));
    expect(run(4)).not.toEqual(run(5));
    expect(numbers(net.apply(x).logits)).toEqual(numbers(net.apply(x).logits));
    net.dispose();
  });

  it("learns: gradients reach every trainable variable and a few steps lower the loss", () => {
    const net = vnet({
      baseFilters: 2,
      seed: 1,
      spatialDims: 2,
      dropout: 0,
      deepSupervision: true,
      attentionGates: true,
      heads: ["distance"],
      decoders: ["transposed", "nearest"],
    });
    const x = random.normal([2, 16, 32, 1]);
    const target = tf.cast(tf.greater(x, 0), "float32");
    const trainable = net.variables.filter((v) => v.trainable);
    const optimizer = sgd({ learningRate: 0.05 });
    const byId = new Map([...net.named].map(([name, v]) => [v.name, name]));
    const losses = Array.from({ length: 4 }, (_, step) => {
      const { value, grads } = tf.variableGrads(() => {
        const { logits, heads } = net.apply(x, { training: true });
        const error = (y: tf.Tensor) =>
          tf.mean(tf.squaredDifference(tf.slice(y, [0, 0, 0, 0], [2, 16, 32, 1]), target));
        const coarse = ["scale0", "scale1", "scale2"].map((head) => tf.mean(tf.square(heads[head]!)));
        return tf.addN([error(logits), error(heads["decoder1"]!), error(heads["distance"]!), ...coarse]) as tf.Scalar;
      }, trainable);
      expect(Object.values(grads).filter((g) => g != null).length).toBe(trainable.length);
      optimizer.apply(new Map(Object.entries(grads).map(([id, g]) => [byId.get(id)!, g])), net.named, step);
      tf.dispose(grads);
      return value.dataSync()[0]!;
    });
    expect(losses.at(-1)).toBeLessThan(0.9 * losses[0]!);
    for (const [name, g] of [...net.named].filter(([, v]) => v.trainable))
      expect(numbers(g).every(Number.isFinite), name).toBe(true);
    net.dispose();
  });

  it("leaves no tensors behind", () => {
    const net = vnet({ ...small, spatialDims: 2, deepSupervision: true });
    const x = random.normal([2, 16, 32, 1]);
    expect(leakedTensors(() => net.apply(x) as unknown as tf.TensorContainer)).toBe(0);
    const step = () =>
      tf.variableGrads(
        () => tf.mean(net.apply(x, { training: true, random: new RandomStream(1) }).logits) as tf.Scalar,
        net.variables.filter((v) => v.trainable) as tf.Variable[],
      ) as unknown as tf.TensorContainer;
    expect(leakedTensors(step)).toBe(0);
    const before = tf.memory().numTensors;
    vnet({ ...small, spatialDims: 2 }).dispose();
    expect(tf.memory().numTensors).toBe(before);
    net.dispose();
  });

  it("runs with instance, group and no normalisation", () => {
    for (const normalization of ["instance", "group", "none"] as const) {
      const net = vnet({ ...small, spatialDims: 2, normalization });
      expect(net.provides.normalization).toBe(normalization);
      expect(numbers(net.apply(random.normal([1, 32, 32, 1])).logits).every(Number.isFinite)).toBe(true);
      net.dispose();
    }
  });

  it("clones into variables of its own", () => {
    const net = vnet({ ...small, spatialDims: 2 });
    const copy = net.clone();
    const x = random.normal([1, 16, 16, 1]);
    expect(numbers(copy.apply(x).logits)).toEqual(numbers(net.apply(x).logits));
    net.named.get("out_conv.bias")!.assign(tf.tensor([5, 5]));
    expect(numbers(copy.named.get("out_conv.bias")!)).not.toEqual([5, 5]);
    net.dispose();
    expect(copy.apply(x).logits.shape).toEqual([1, 16, 16, 2]);
    copy.dispose();
  });

  it("puts a hook's layer behind its stage, with the hook's variables among its own", () => {
    const gain = tf.variable(tf.scalar(0));
    const hook: Layer & { clone?: () => Layer } = {
      ...moduleOf({ gain }),
      apply: (x) => tf.mul(x, gain),
    };
    const net = vnet({ ...small, spatialDims: 2, hooks: { x4: hook } });
    expect(net.named.get("hooks.x4.gain")).toBe(gain);
    expect(Math.max(...numbers(net.apply(random.normal([1, 16, 16, 1])).features["x4"]!))).toBe(0);
    expect(() => net.clone()).toThrow(CompatibilityError);
    hook.clone = () => ({ ...moduleOf({ gain: tf.variable(tf.scalar(0)) }), apply: (x) => x });
    expect(net.clone().named.has("hooks.x4.gain")).toBe(true);
    expect(() => vnet({ hooks: { x9: hook } })).toThrow("hooks must be one of 'x1'");
    net.dispose();
  });

  it("reads the PyTorch state dict of the plain network, also into one with more parts", () => {
    const source = vnet({ ...small, spatialDims: 2 });
    const dict = pyTorchStateDict(source);
    expect([...dict.keys()].slice(0, 8)).toEqual([
      "block_one.conv.0.weight",
      "block_one.conv.0.bias",
      "block_one.conv.1.weight",
      "block_one.conv.1.bias",
      "block_one.conv.1.running_mean",
      "block_one.conv.1.running_var",
      "block_one_dw.conv.0.weight",
      "block_one_dw.conv.0.bias",
    ]);
    const target = vnet({ ...small, spatialDims: 2, seed: 9, deepSupervision: true });
    target.fromPyTorch(new Map([...dict].map(([name, x]) => [`module.${name}`, x])));
    const x = random.normal([1, 16, 16, 1]);
    expect(farthest(target.apply(x).logits, source.apply(x).logits)).toBeLessThan(1e-6);
    dict.delete("block_nine.conv.0.weight");
    expect(() => target.fromPyTorch(dict)).toThrow(CheckpointError);
    expect(() => target.fromPyTorch(dict)).toThrow("block_nine.conv.0.weight");
  });

  it("refuses sizes that are not multiples of 16, wrong channels and rank, naming the remedy", () => {
    const net = vnet(small);
    expect(() => net.apply(tf.ones([1, 16, 24, 16, 1]))).toThrow(ShapeError);
    expect(() => net.apply(tf.ones([1, 16, 24, 16, 1]))).toThrow("pad to [16, 32, 16]");
    expect(() => net.apply(tf.ones([1, 16, 16, 16, 2]))).toThrow("[N, D, H, W, 1] (channels last)");
    expect(() => net.apply(tf.ones([1, 16, 16, 1]))).toThrow("received [1, 16, 16, 1]");
    net.dispose();
  });
});

describe("vnet options", () => {
  it("are checked when the network is made", () => {
    expect(() => vnet({ dropout: 1 })).toThrow("dropout");
    expect(() => vnet({ decoders: [] })).toThrow("at least one decoder");
    expect(() => vnet({ normalization: "layer" as "batch" })).toThrow("'instance'");
    expect(() => vnet({ outChannels: 1 })).toThrow("outChannels");
  });
});
