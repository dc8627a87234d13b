import { vnet } from "@semiseg/backbones";
import { crossSampleMutualAttention } from "@semiseg/correlation";
import { OptionError, ShapeError } from "@semiseg/errors";
import { RandomStream, transformerEncoderLayer } from "@semiseg/nn";
import { eachBackend, gradientError, leakedTensors } from "@semiseg/test-utils";
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";

const build = (options: object = {}) =>
  crossSampleMutualAttention({ channels: 8, heads: 2, dropout: 0, random: new RandomStream(3), ...options });
const feature = (samples = 3, seed = 1) => new RandomStream(seed).normal([samples, 2, 3, 8]);
const train = (seed = 1) => ({ training: true, random: new RandomStream(seed) });
const farthest = (a: tf.Tensor, b: tf.Tensor): number => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0]!;
/** One of its two layers by itself, with the same weights. */
function layer(cma: ReturnType<typeof build>, which: "intra" | "inter") {
  const own = transformerEncoderLayer({ channels: 8, heads: 2, dropout: 0, random: new RandomStream(0) });
  for (const [name, variable] of own.named) variable.assign(tf.clone(cma.named.get(`${which}.${name}`)!));
  return own;
}

eachBackend("crossSampleMutualAttention", () => {
  it("C1: is the exact identity outside training, whatever the batch", () => {
    const [cma, x] = [build({ dropout: 0.5 }), feature()];
    expect(cma.apply(x).dataSync()).toEqual(x.dataSync());
    expect(cma.apply(x, { training: false }).dataSync()).toEqual(x.dataSync());
  });

  it("C1: is the layer inside samples, then the layer between samples, as published", () => {
    const [cma, x] = [build(), feature()];
    const within = layer(cma, "intra").apply(tf.reshape(x, [3, 6, 8]));
    // Between samples, one position at a time.
    const between = tf.unstack(within, 1).map((v) => layer(cma, "inter").apply(tf.reshape(v, [1, 3, 8])));
    const expected = tf.reshape(
      tf.stack(
        between.map((v) => tf.reshape(v, [3, 8])),
        1,
      ),
      [3, 2, 3, 8],
    );
    expect(farthest(cma.apply(x, train()), expected)).toBeLessThan(1e-5);
  });

  it("C1: follows the order of samples and the order of voxels", () => {
    const [cma, x] = [build(), feature()];
    const y = cma.apply(x, train());
    const samples = tf.tensor1d([2, 0, 1], "int32");
    expect(farthest(cma.apply(tf.gather(x, samples), train()), tf.gather(y, samples))).toBeLessThan(1e-5);
    const voxels = tf.tensor1d([2, 0, 1], "int32");
    expect(farthest(cma.apply(tf.gather(x, voxels, 2), train()), tf.gather(y, voxels, 2))).toBeLessThan(1e-5);
  });

  it("C1: a lone sample attends to itself alone: the weight is 1, so the value projection goes through", () => {
    const [cma, x] = [build(), feature(1)];
    const get = (name: string) => cma.named.get(`inter.${name}`)! as unknown as tf.Tensor2D;
    const within = tf.reshape(layer(cma, "intra").apply(tf.reshape(x, [1, 6, 8])), [6, 8]) as tf.Tensor2D;
    const project = (v: tf.Tensor2D, w: tf.Tensor2D, b: tf.Tensor) => tf.add(tf.matMul(v, w, false, true), b);
    const value = project(
      within,
      tf.slice(get("self_attn.in_proj_weight"), [16, 0], [8, 8]),
      tf.slice(get("self_attn.in_proj_bias") as tf.Tensor, [16], [8]),
    ) as tf.Tensor2D;
    const attended = project(value, get("self_attn.out_proj.weight"), get("self_attn.out_proj.bias"));
    const norm = (v: tf.Tensor) => {
      const { mean, variance } = tf.moments(v, -1, true);
      return tf.div(tf.sub(v, mean), tf.sqrt(tf.add(variance, 1e-5)));
    };
    const a = norm(tf.add(within, attended)) as tf.Tensor2D;
    const inner = tf.relu(project(a, get("linear1.weight"), get("linear1.bias"))) as tf.Tensor2D;
    const expected = norm(tf.add(a, project(inner, get("linear2.weight"), get("linear2.bias"))));
    expect(farthest(tf.reshape(cma.apply(x, train()), [6, 8]), expected)).toBeLessThan(1e-5);
  });

  it("C1: what comes out depends on other samples, through the same position only once the first layer is done", () => {
    const [cma, x] = [build(), feature()];
    const within = layer(cma, "intra");
    const tokens = tf.reshape(x, [3, 6, 8]);
    const changed = tf.concat([tf.slice(tokens, 0, 2), tf.add(tf.slice(tokens, 2), tf.randomNormal([1, 6, 8]))]);
    // Inside: the first two samples do not see the third.
    const firstTwo = (t: tf.Tensor) => tf.slice(t, 0, 2);
    expect(farthest(firstTwo(within.apply(tokens)), firstTwo(within.apply(changed)))).toBe(0);
    const all = (t: tf.Tensor) => firstTwo(cma.apply(tf.reshape(t, [3, 2, 3, 8]), train()));
    expect(farthest(all(tokens), all(changed))).toBeGreaterThan(1e-3);
    // Between: a voxel does not see other positions.
    const inter = layer(cma, "inter");
    const positions = tf.transpose(tokens, [1, 0, 2]);
    const moved = tf.concat([tf.slice(positions, 0, 5), tf.ones([1, 3, 8])]);
    const before = (t: tf.Tensor) => tf.slice(inter.apply(t), 0, 5);
    expect(farthest(before(positions), before(moved))).toBe(0);
  });

  it("C2: keeps the shape in two and three dimensions; each voxel starts with mean 0 and variance 1", () => {
    const cma = crossSampleMutualAttention({ channels: 128, random: new RandomStream(1) });
    expect(cma.variables.reduce((n, v) => n + v.size, 0)).toBe(2 * 198_272);
    const x = new RandomStream(1).normal([2, 2, 2, 1, 128]);
    const y = cma.apply(x, train());
    expect(y.shape).toEqual(x.shape);
    const { mean, variance } = tf.moments(y, -1);
    expect(tf.max(tf.abs(mean)).dataSync()[0]).toBeLessThan(1e-5);
    expect(tf.max(tf.abs(tf.sub(variance, 1))).dataSync()[0]).toBeLessThan(1e-3);
    expect(build().apply(feature(), train()).shape).toEqual([3, 2, 3, 8]);
  });

  it("drops at random while training, from the stream it is given, and needs one", () => {
    const [cma, x] = [build({ dropout: 0.5 }), feature()];
    const run = (seed: number) => Array.from(cma.apply(x, train(seed)).dataSync());
    expect(run(1)).toEqual(run(1));
    expect(run(1)).not.toEqual(run(2));
    expect(() => cma.apply(x, { training: true })).toThrow(OptionError);
  });

  it("gives the same with less memory, and has the gradient of its input", () => {
    const x = feature(2);
    const probe = (y: tf.Tensor) =>
      tf.sum(tf.mul(tf.square(y), tf.reshape(tf.sin(tf.range(1, y.size + 1)), y.shape))) as tf.Scalar;
    const whole = build().apply(x, train());
    expect(farthest(build({ queryChunk: 2 }).apply(x, train()), whole)).toBeLessThan(1e-6);
    expect(farthest(build({ memoryBudget: 1000 }).apply(x, train()), whole)).toBeLessThan(1e-6);
    const cma = build({ queryChunk: 4 });
    // A small step: differences across the kinks of the ReLU fall with it.
    expect(gradientError((t) => probe(cma.apply(t!, train())), [x], { step: 2e-3 })).toBeLessThan(2e-2);
    expect(leakedTensors(() => tf.grad((t: tf.Tensor) => probe(cma.apply(t, train())))(x))).toBe(0);
    expect(leakedTensors(() => cma.apply(x))).toBe(0);
  });

  it("is a hook of a backbone that can be cloned: the deeper stages see it in training only", () => {
    const config = { spatialDims: 2, baseFilters: 1, dropout: 0, normalization: "none" } as const;
    const cma = build({ dropout: 0 });
    const [plain, hooked] = [vnet(config), vnet({ ...config, hooks: { x4: cma } })];
    const x = new RandomStream(5).normal([2, 16, 16, 1]);
    expect(hooked.apply(x).logits.dataSync()).toEqual(plain.apply(x).logits.dataSync());
    const trained = hooked.apply(x, train());
    expect(farthest(trained.features["x3"]!, plain.apply(x, train()).features["x3"]!)).toBe(0);
    const stage = cma.apply(plain.apply(x, train()).features["x4"]!, train());
    expect(farthest(trained.features["x4"]!, stage)).toBeLessThan(1e-5);
    expect(farthest(trained.logits, plain.apply(x, train()).logits)).toBeGreaterThan(0);
    const copy = hooked.clone();
    expect(farthest(copy.apply(x, train()).logits, trained.logits)).toBeLessThan(1e-6);
    cma.named.get("intra.norm1.weight")!.assign(tf.zeros([8]));
    expect(farthest(copy.apply(x, train()).logits, trained.logits)).toBeLessThan(1e-6);
  });

  it("refuses other shapes and heads that do not divide the channels", () => {
    expect(() => build().apply(tf.ones([2, 3, 8]), train())).toThrow(ShapeError);
    expect(() => build().apply(tf.ones([2, 3, 3, 7]), train())).toThrow("8 channels");
    expect(() => build({ spatialDims: 3 }).apply(feature())).toThrow(ShapeError);
    expect(() => build({ heads: 3 })).toThrow(OptionError);
    expect(() => build({ dropout: 1 })).toThrow(OptionError);
  });
});
