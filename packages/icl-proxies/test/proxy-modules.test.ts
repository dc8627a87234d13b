import { unet } from "@semiseg/backbones";
import { OptionError, ShapeError } from "@semiseg/errors";
import {
  proxyParameterCount,
  type SemanticProxyAdaptor,
  type SemanticProxyAdaptorConfig,
  semanticConsistentLearner,
  semanticProxyAdaptor,
  tokenMixingMemory,
} from "@semiseg/icl-proxies";
import { crossEntropyLoss } from "@semiseg/losses";
import { type Module, RandomStream, resizeLinear } from "@semiseg/nn";
import { eachBackend, gradientError, leakedTensors } from "@semiseg/test-utils";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";

type Config = Partial<SemanticProxyAdaptorConfig>;
const flat = (options: Config = {}): SemanticProxyAdaptorConfig => ({
  spatialDims: 2,
  numClasses: 3,
  channels: [8, 4],
  heads: [2, 2],
  mixingGrid: 2,
  random: new RandomStream(5),
  ...options,
});
const solid = (options: Config = {}) => flat({ spatialDims: 3, ...options });
const normal = (shape: number[], seed: number) => new RandomStream(seed).normal(shape);
/** Features of `samples` images, coarse and fine, not square. */
const features = ({ spatialDims }: { spatialDims: 2 | 3 }, samples = 2, seed = 1): tf.Tensor[] => {
  const size = spatialDims === 2 ? [3, 4] : [2, 3, 2];
  return [normal([samples, ...size, 8], seed), normal([samples, ...size.map((n) => 2 * n), 4], seed + 100)];
};
const training = (seed = 1) => ({ training: true, random: new RandomStream(seed) });
const farthest = (a: tf.Tensor, b: tf.Tensor): number => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0]!;
const value = (t: tf.Tensor): number => t.dataSync()[0]!;
const parameters = ({ variables }: Module): number =>
  variables.filter(({ trainable }) => trainable).reduce((n, { size }) => n + size, 0);
/** Weights of one module into another of the same parts. */
function copy(from: Module, to: Module): void {
  for (const [name, variable] of to.named) variable.assign(tf.clone(from.named.get(name)!));
}
const wave = (t: tf.Tensor): tf.Scalar =>
  tf.sum(tf.mul(t, tf.reshape(tf.sin(tf.range(1, t.size + 1)), t.shape))) as tf.Scalar;
/** A scalar that sees every number of a result, scaled to the size of one. */
const probe = (tensors: readonly tf.Tensor[]): tf.Scalar =>
  tf.addN(tensors.map((t) => tf.mul(wave(t), 1 / Math.sqrt(t.size)))) as tf.Scalar;

describe("parameters", () => {
  const acdc = { spatialDims: 2, numClasses: 4, channels: [128, 64, 32], random: new RandomStream(0) } as const;
  const brats = { spatialDims: 3, numClasses: 2, channels: [256, 128, 64], random: new RandomStream(0) } as const;
  const sizes2 = [32, 64, 128].map((n) => [n, n]);
  const sizes3 = [6, 12, 24].map((n) => [n, n, n]);

  it("full: counts the published modules without building them, 572,903,755 in 2-D and 389,505,555 in 3-D", () => {
    const flatCount = proxyParameterCount({ ...acdc, tokenMixing: "full", sizes: sizes2 });
    expect(flatCount.released).toBe(572_903_755);
    // The released count of the perceptrons leaves their layer norms out.
    expect(flatCount.mixing).toBe(572_565_504 + 2 * (1024 + 4096 + 16384));
    expect(proxyParameterCount({ ...brats, tokenMixing: "full", sizes: sizes3 }).released).toBe(389_505_555);
  });

  it("none: about 0.3 million, of which USCL needs less, since it has no proxy branch", () => {
    const { adaptor, learner, mixing, released } = proxyParameterCount({ ...acdc, tokenMixing: "none" });
    expect(mixing).toBe(0);
    expect(released).toBe(572_903_755 - 572_565_504 - 2 * 21_504);
    expect(released - adaptor).toBe(32 * 16 + 16);
    expect(learner).toBeLessThan(adaptor / 2);
  });

  it.each([
    ["none", 2],
    ["lowRank", 2],
    ["full", 2],
    ["none", 3],
    ["lowRank", 3],
    ["full", 3],
  ] as const)("%s in %i-D: the count is that of the modules built", (tokenMixing, spatialDims) => {
    const config = flat({
      spatialDims,
      tokenMixing,
      sizes: features({ spatialDims }).map((f) => f.shape.slice(1, -1)),
    });
    const { adaptor, learner } = proxyParameterCount(config);
    expect(parameters(semanticProxyAdaptor(config))).toBe(adaptor);
    expect(parameters(semanticConsistentLearner(config))).toBe(learner);
  });

  it("full at 256 x 256 is refused with its 13.7 GB, unless as much is allowed", () => {
    expect(tokenMixingMemory(sizes2) / 1e9).toBeCloseTo(13.74, 2);
    const config = { ...acdc, tokenMixing: "full", sizes: sizes2 } as const;
    for (const build of [semanticProxyAdaptor, semanticConsistentLearner]) {
      expect(() => build(config)).toThrow(OptionError);
      expect(() => build(config)).toThrow("13.7 GB");
    }
    const small = flat({
      tokenMixing: "full",
      sizes: [
        [3, 4],
        [6, 8],
      ],
      memoryLimit: 1000,
    });
    expect(() => semanticProxyAdaptor(small)).toThrow("memoryLimit");
    semanticProxyAdaptor({ ...small, memoryLimit: tokenMixingMemory(small.sizes!) }).dispose();
  });

  it("refuses options out of range by name", () => {
    const refused: [Config, string][] = [
      [{ spatialDims: 4 as 3 }, "spatialDims"],
      [{ numClasses: 1 }, "numClasses"],
      [{ channels: [] }, "channels"],
      [{ heads: [2] }, "heads"],
      [{ heads: [3, 2] }, "heads[0]"],
      [{ tokenMixing: "some" as "none" }, "tokenMixing"],
      [{ tokenMixing: "full" }, "sizes"],
      [
        {
          tokenMixing: "full",
          sizes: [
            [3, 4, 5],
            [1, 2, 3],
          ],
        },
        "sizes",
      ],
      [{ mixingGrid: 0 }, "mixingGrid"],
      [{ stochasticDepth: 1 }, "stochasticDepth"],
      [{ proxyStd: -1 }, "proxyStd"],
      [{ recomputeAbove: -1 }, "recomputeAbove"],
      [{ memoryLimit: -1 }, "memoryLimit"],
    ];
    for (const [options, name] of refused) {
      expect(() => semanticProxyAdaptor(flat(options)), name).toThrow(OptionError);
      expect(() => semanticProxyAdaptor(flat(options)), name).toThrow(name);
    }
  });
});

eachBackend("semanticProxyAdaptor and semanticConsistentLearner", (backend) => {
  it("property 1: on the 2-D U-Net at 64 x 64 the maps are 8, 16 and 32 wide, the proxies 128, 64 and 32", () => {
    // The network itself is slow on the plain engine.
    const net = backend === "cpu" ? null : unet({ spatialDims: 2, outChannels: 4 }).apply(normal([2, 64, 64, 1], 1));
    if (net) expect(net.logits.shape).toEqual([2, 64, 64, 4]);
    const samples = net ? 2 : 1;
    const config = { spatialDims: 2, numClasses: 4, channels: [128, 64, 32], random: new RandomStream(1) } as const;
    const inputs = [0, 1, 2].map((i) => net?.features[`d${i + 1}`] ?? normal([1, 8 << i, 8 << i, 128 >> i], i));
    const { maps, proxies } = semanticProxyAdaptor(config).apply(inputs);
    expect(maps.map(({ shape }) => shape)).toEqual([8, 16, 32].map((n) => [samples, n, n, 4]));
    expect(proxies.map(({ shape }) => shape)).toEqual([128, 64, 32].map((n) => [1, 4, n]));
    const learned = semanticConsistentLearner(config).apply(inputs, proxies);
    expect(learned.maps.map(({ shape }) => shape)).toEqual(maps.map(({ shape }) => shape));
    expect(learned.proxies.map(({ shape }) => shape)).toEqual(proxies.map(({ shape }) => shape));
  });

  it.each(["none", "lowRank", "full"] as const)(
    "%s: gives maps of features that are not square, in 2-D and 3-D",
    (tokenMixing) => {
      for (const config of [flat(), solid()]) {
        const inputs = features(config, 3);
        const options = { ...config, tokenMixing, sizes: inputs.map(({ shape }) => shape.slice(1, -1)) };
        const { maps, proxies } = semanticProxyAdaptor(options).apply(inputs, undefined, training());
        for (const [i, map] of maps.entries()) {
          expect(map.shape).toEqual([...inputs[i]!.shape.slice(0, -1), 3]);
          expect(map.dataSync().every(Number.isFinite)).toBe(true);
        }
        expect(proxies.map(({ shape }) => shape)).toEqual([
          [1, 3, 8],
          [1, 3, 4],
        ]);
      }
    },
  );

  it("property 3: a permutation of the proxies permutes every map and every updated proxy", () => {
    // Exactly; a fast matrix product rounds a row by where it stands.
    const error = backend === "cpu" ? 0 : 1e-6;
    const adaptor = semanticProxyAdaptor(flat());
    const inputs = features(flat());
    const own = normal([1, 3, 8], 9);
    const order = tf.tensor1d([2, 0, 1], "int32");
    const [a, b] = [own, tf.gather(own, order, 1)].map((p) => adaptor.apply(inputs, p));
    for (const [i, map] of a!.maps.entries()) {
      expect(farthest(tf.gather(map, order, 3), b!.maps[i]!)).toBeLessThanOrEqual(error);
      expect(farthest(tf.gather(a!.proxies[i]!, order, 1), b!.proxies[i]!)).toBeLessThanOrEqual(error);
    }
  });

  it("property 3: under compatScramble it does not", () => {
    const adaptor = semanticProxyAdaptor(flat({ compatScramble: true }));
    const own = normal([1, 3, 8], 9);
    const order = tf.tensor1d([2, 0, 1], "int32");
    const [a, b] = [own, tf.gather(own, order, 1)].map((p) => adaptor.apply(features(flat()), p).maps[0]!);
    expect(farthest(tf.gather(a!, order, 3), b!)).toBeGreaterThan(1e-3);
  });

  it("property 4: zero proxies give K equal maps, cross-entropy ln K, and gradients that tell the classes apart", () => {
    const adaptor = semanticProxyAdaptor(flat({ proxyStd: 0, numClasses: 4 }));
    const labels = tf.tensor(
      [...Array(2 * 12 * 16).keys()].map((i) => i % 4),
      [2, 12, 16],
      "int32",
    );
    const { maps } = adaptor.apply(features(flat()));
    for (const map of maps) {
      for (const other of tf.unstack(map, 3)) expect(farthest(other, tf.unstack(map, 3)[0]!)).toBe(0);
      expect(value(crossEntropyLoss(labels, resizeLinear(map, [12, 16])))).toBeCloseTo(1.3862944, 5);
    }
    const proxies = adaptor.named.get("proxies")!;
    const { grads } = tf.variableGrads(() => {
      const { maps: again } = adaptor.apply(features(flat()), undefined, training());
      return tf.addN(again.map((map) => crossEntropyLoss(labels, resizeLinear(map, [12, 16])))) as tf.Scalar;
    }, [proxies]);
    const rows = tf.unstack(tf.squeeze(grads[proxies.name]!, [0]));
    for (const [i, row] of rows.entries()) {
      expect(value(tf.norm(row))).toBeGreaterThan(1e-2);
      for (const other of rows.slice(0, i)) expect(farthest(row, other)).toBeGreaterThan(1e-3);
    }
  });

  it("starts from proxies of standard deviation 0.02, or another one", () => {
    const std = (options: Config) => {
      const { variance } = tf.moments(
        semanticProxyAdaptor(flat({ channels: [512, 4], ...options })).named.get("proxies")!,
      );
      return Math.sqrt(value(variance));
    };
    expect(std({})).toBeCloseTo(0.02, 2);
    expect(std({ proxyStd: 0.5 })).toBeCloseTo(0.5, 1);
    expect(std({ proxyStd: 0 })).toBe(0);
  });

  it("property 10: a permutation of pixels leaves the first scale's proxies and moves its map along, without mixing", () => {
    // A cyclic shift, which the 3 x 3 convolution of the map head follows away from the border.
    const adaptor = semanticProxyAdaptor(flat({ tokenMixing: "none" }));
    const x = normal([1, 6, 6, 8], 1);
    const moved = tf.concat([tf.slice(x, [0, 1, 0, 0], [1, 5, 6, 8]), tf.slice(x, [0, 0, 0, 0], [1, 1, 6, 8])], 1);
    const fine = normal([1, 12, 12, 4], 2);
    const [a, b] = [x, moved].map((f) => adaptor.apply([f, fine]));
    expect(farthest(a!.proxies[0]!, b!.proxies[0]!)).toBeLessThan(1e-5);
    const inside = (map: tf.Tensor, row: number) => tf.slice(map, [0, row, 0, 0], [1, 3, 6, 3]);
    expect(farthest(inside(a!.maps[0]!, 2), inside(b!.maps[0]!, 1))).toBeLessThan(1e-5);
  });

  it("property 11: outside training a sample's map depends on itself, the mean proxies not on order or repetition", () => {
    const adaptor = semanticProxyAdaptor(flat());
    const learner = semanticConsistentLearner(flat());
    const [labeled, unlabeled] = [features(flat(), 3, 1), features(flat(), 2, 7)];
    const pick = (rows: number[]) => labeled.map((f) => tf.gather(f, tf.tensor1d(rows, "int32")));
    const plain = adaptor.apply(labeled);
    const consistent = learner.apply(unlabeled, plain.proxies).maps;
    for (const rows of [
      [2, 0, 1],
      [0, 0, 1, 1, 2, 2],
    ]) {
      const { proxies } = adaptor.apply(pick(rows));
      for (const [i, p] of proxies.entries()) expect(farthest(p, plain.proxies[i]!)).toBeLessThan(1e-5);
      for (const [i, g] of learner.apply(unlabeled, proxies).maps.entries())
        expect(farthest(g, consistent[i]!)).toBeLessThan(1e-5);
    }
    const alone = adaptor.apply(pick([1])).maps;
    for (const [i, map] of alone.entries()) expect(farthest(map, tf.slice(plain.maps[i]!, 1, 1))).toBeLessThan(1e-5);
  });

  it("attends to tokens that are normalised twice, as published", () => {
    const learner = semanticConsistentLearner(
      flat({ channels: [8], heads: [1], tokenMixing: "none", trueResidual: true }),
    );
    for (const v of learner.variables) if (v.trainable) v.assign(tf.add(v, normal([...v.shape], 4)));
    const get = (name: string) => learner.named.get(`scales.0.${name}`)! as tf.Tensor;
    const [x, q] = [normal([1, 2, 3, 8], 1), normal([1, 3, 8], 2)];
    const dense = (t: tf.Tensor, name: string) =>
      tf.add(
        tf.matMul(tf.reshape(t, [-1, 8]) as tf.Tensor2D, get(`${name}.weight`) as tf.Tensor2D, false, true),
        get(`${name}.bias`),
      );
    const norm = (t: tf.Tensor, name: string) => {
      const { mean, variance } = tf.moments(t, -1, true);
      return tf.add(
        tf.mul(tf.div(tf.sub(t, mean), tf.sqrt(tf.add(variance, 1e-5))), get(`${name}.weight`)),
        get(`${name}.bias`),
      );
    };
    const tokens = norm(norm(dense(x, "tokens.projection"), "tokens.norm"), "tokens.attentionNorm");
    const queries = dense(norm(tf.reshape(q, [3, 8]), "queryNorm"), "attention.query");
    const keys = dense(tokens, "attention.key") as tf.Tensor2D;
    const scores = tf.div(tf.matMul(keys, queries as tf.Tensor2D, false, true), Math.sqrt(8));
    // The map head by itself, on a feature of one head: outside training an affine map per class.
    const spread = tf.reshape(scores, [2, 3, 3]) as tf.Tensor3D;
    const kernel = tf.reshape(get("map.depthwise.weight"), [3, 3, 1, 1]) as tf.Tensor4D;
    const still = (t: tf.Tensor, name: string) =>
      tf.relu(tf.add(tf.mul(tf.div(t, Math.sqrt(1 + 1e-5)), get(`${name}.weight`)), get(`${name}.bias`)));
    const byClass = tf.reshape(tf.transpose(spread, [2, 0, 1]), [3, 2, 3, 1]) as tf.Tensor4D;
    let y: tf.Tensor = still(tf.conv2d(byClass, kernel, 1, "same"), "map.norm1");
    y = still(tf.mul(y, tf.reshape(get("map.pointwise.weight"), [])), "map.norm2");
    y = tf.add(tf.mul(y, tf.reshape(get("map.classifier.weight"), [])), get("map.classifier.bias"));
    const expected = tf.reshape(tf.transpose(tf.reshape(y, [3, 2, 3]), [1, 2, 0]), [1, 2, 3, 3]);
    const error = farthest(learner.apply([x], [q]).maps[0]!, expected);
    expect(error / value(tf.max(tf.abs(expected)))).toBeLessThan(1e-5);
  });

  it("lowRank on a grid as fine as the map is full mixing with the same weights", () => {
    const inputs = [normal([2, 3, 3, 8], 1)];
    const options = { channels: [8], heads: [2] };
    const low = semanticProxyAdaptor(flat({ ...options, mixingGrid: 3 }));
    const full = semanticProxyAdaptor(flat({ ...options, tokenMixing: "full", sizes: [[3, 3]] }));
    copy(low, full);
    expect(farthest(low.apply(inputs).maps[0]!, full.apply(inputs).maps[0]!)).toBeLessThan(1e-5);
  });

  it("mixing lets a pixel's map see far pixels; without it only its neighbours and the proxies", () => {
    const reach = (tokenMixing: "none" | "lowRank" | "full") => {
      const adaptor = semanticProxyAdaptor(
        flat({ channels: [8], heads: [2], tokenMixing, sizes: [[9, 9]], stochasticDepth: 0 }),
      );
      // Rectifiers that are always on: what is not passed is not seen.
      for (const [name, v] of adaptor.named) if (/norm\d\.bias/.test(name)) v.assign(tf.fill(v.shape, 50));
      const x = normal([1, 9, 9, 8], 1);
      const corner = tf.grad((f: tf.Tensor) =>
        tf.sum(tf.slice(adaptor.apply([f]).maps[0]!, [0, 0, 0, 0], [1, 1, 1, 3])),
      );
      const gradient = corner(x);
      expect(value(tf.max(tf.abs(tf.slice(gradient, [0, 0, 0, 0], [1, 1, 1, 8]))))).toBeGreaterThan(0);
      return value(tf.max(tf.abs(tf.slice(gradient, [0, 8, 8, 0], [1, 1, 1, 8]))));
    };
    expect(reach("none")).toBe(0);
    expect(reach("lowRank")).toBeGreaterThan(0);
    expect(reach("full")).toBeGreaterThan(0);
  });

  it.each(["none", "lowRank", "full"] as const)(
    "%s: a training pass has the gradients of features and proxies",
    (tokenMixing) => {
      for (const spatialDims of tokenMixing === "lowRank" ? ([2, 3] as const) : ([2] as const)) {
        const size = spatialDims === 2 ? [2, 3] : [2, 1, 2];
        const config = flat({
          spatialDims,
          tokenMixing,
          channels: [4],
          heads: [2],
          sizes: [size],
          recomputeAbove: tokenMixing === "none" ? 1e9 : 0,
        });
        const [adaptor, learner] = [semanticProxyAdaptor(config), semanticConsistentLearner(config)];
        const inputs = [normal([2, ...size, 4], 1), normal([1, 3, 4], 2)];
        const options = () => ({ ...training(), updateBuffers: false });
        const sspa = (x: tf.Tensor, p: tf.Tensor) => {
          const { maps, proxies } = adaptor.apply([x], p, options());
          return probe([...maps, ...proxies]);
        };
        const uscl = (x: tf.Tensor, p: tf.Tensor) => probe(learner.apply([x], [p], options()).maps);
        for (const f of [sspa, uscl])
          expect(
            gradientError((x, p) => f(x!, p!), inputs, { step: 1e-3, samples: 4 }),
            `${spatialDims}-D`,
          ).toBeLessThan(3e-2);
      }
    },
  );

  it("has no parameter that a gradient does not reach, USCL included", () => {
    for (const config of [flat(), solid()]) {
      const [adaptor, learner] = [semanticProxyAdaptor(config), semanticConsistentLearner(config)];
      const inputs = features(config);
      const all = [...adaptor.named, ...[...learner.named].map(([name, v]) => [`learner.${name}`, v] as const)].filter(
        ([, v]) => v.trainable,
      );
      const { grads } = tf.variableGrads(
        () => {
          const { maps, proxies } = adaptor.apply(inputs, undefined, training());
          return probe([...maps, ...learner.apply(inputs, proxies, training()).maps]);
        },
        all.map(([, v]) => v),
      );
      for (const [name, variable] of all) {
        expect(grads[variable.name], name).toBeTruthy();
        expect(value(tf.max(tf.abs(grads[variable.name]!))), name).toBeGreaterThan(0);
      }
    }
  });

  it("what is computed again in the backward pass has the gradients of what is kept, and leaves no tensors", () => {
    const gradients = (recomputeAbove: number) => {
      const config = flat({ recomputeAbove });
      const [adaptor, learner] = [semanticProxyAdaptor(config), semanticConsistentLearner(config)];
      const trainable = [...adaptor.variables, ...learner.variables].filter((v) => v.trainable);
      const inputs = features(config);
      const before = tf.memory().numTensors;
      const { value: loss, grads } = tf.variableGrads(() => {
        const { maps, proxies } = adaptor.apply(inputs, undefined, training());
        return probe([...maps, ...learner.apply(inputs, proxies, training()).maps]);
      }, trainable);
      const all = [loss, ...trainable.map((v) => grads[v.name]!)];
      expect(tf.memory().numTensors - before).toBe(all.length);
      return { all, buffers: [...adaptor.variables, ...learner.variables].filter((v) => !v.trainable) };
    };
    const [again, kept] = [gradients(0), gradients(Number.MAX_VALUE)];
    for (const [i, g] of again.all.entries())
      expect(farthest(g, kept.all[i]!) / Math.max(1, value(tf.max(tf.abs(g))))).toBeLessThan(1e-5);
    for (const [i, b] of again.buffers.entries()) expect(farthest(b, kept.buffers[i]!)).toBe(0);
  });

  it("stochastic depth skips branches per sample while training, from the stream it is given, and not afterwards", () => {
    const adaptor = semanticProxyAdaptor(flat({ stochasticDepth: 0.5 }));
    const inputs = features(flat(), 4);
    const run = (seed: number) =>
      Array.from(adaptor.apply(inputs, undefined, { ...training(seed), updateBuffers: false }).maps[1]!.dataSync());
    expect(run(1)).toEqual(run(1));
    expect(run(1)).not.toEqual(run(2));
    expect(() => adaptor.apply(inputs, undefined, { training: true })).toThrow("options.random");
    semanticProxyAdaptor(flat({ stochasticDepth: 0 })).apply(inputs, undefined, { training: true });
    expect(farthest(adaptor.apply(inputs).maps[0]!, adaptor.apply(inputs).maps[0]!)).toBe(0);
  });

  it("the published residuals add the attended values to themselves, trueResidual adds them to the queries", () => {
    // Without perceptron and mixing: Q = 2 a, or Q = q + a.
    const outputs = [false, true].map((trueResidual) => {
      const adaptor = semanticProxyAdaptor(flat({ channels: [8], heads: [2], tokenMixing: "none", trueResidual }));
      for (const [name, v] of adaptor.named) if (name.includes("perceptron.linear2")) v.assign(tf.zeros(v.shape));
      return adaptor.apply([normal([1, 3, 4, 8], 1)], normal([1, 3, 8], 2)).proxies[0]!;
    });
    const expected = tf.add(normal([1, 3, 8], 2), tf.div(outputs[0]!, 2));
    expect(farthest(outputs[1]!, expected)).toBeLessThan(1e-5);
  });

  it("batch statistics move in training passes alone, and only when they may", () => {
    const adaptor = semanticProxyAdaptor(flat());
    const inputs = features(flat());
    const mean = adaptor.named.get("scales.0.map.norm1.running_mean")!;
    adaptor.apply(inputs);
    adaptor.apply(inputs, undefined, { ...training(), updateBuffers: false });
    expect(Array.from(mean.dataSync())).toEqual([0, 0]);
    adaptor.apply(inputs, undefined, training());
    expect(mean.dataSync()[0]).not.toBe(0);
  });

  it("lowRank and none take another resolution, full refuses it by a typed error that says what to do", () => {
    const inputs = [normal([1, 5, 6, 8], 1), normal([1, 10, 12, 4], 2)];
    const sizes = features(flat()).map(({ shape }) => shape.slice(1, -1));
    const run = (tokenMixing: "none" | "lowRank" | "full") =>
      semanticProxyAdaptor(flat({ tokenMixing, sizes })).apply(inputs);
    expect(run("none").maps[0]!.shape).toEqual([1, 5, 6, 3]);
    expect(run("lowRank").maps[1]!.shape).toEqual([1, 10, 12, 3]);
    expect(() => run("full")).toThrow(ShapeError);
    expect(() => run("full")).toThrow("features[0] must be 3x4");
  });

  it("refuses features and proxies that do not fit; leaves no tensors", () => {
    const adaptor: SemanticProxyAdaptor = semanticProxyAdaptor(flat());
    const learner = semanticConsistentLearner(flat());
    const [coarse, fine] = features(flat()) as [tf.Tensor, tf.Tensor];
    expect(() => adaptor.apply([coarse])).toThrow("features must be 2 tensors");
    expect(() => adaptor.apply([fine, coarse])).toThrow("features[0]");
    expect(() => adaptor.apply([coarse, tf.slice(fine, 0, 1)])).toThrow("features[1]");
    expect(() => adaptor.apply([coarse, fine], tf.zeros([1, 2, 8]))).toThrow(ShapeError);
    const { proxies } = adaptor.apply([coarse, fine]);
    expect(() => learner.apply([coarse, fine], proxies.slice(1))).toThrow("proxies must be 2 tensors");
    expect(() => learner.apply([coarse, fine], [...proxies].reverse())).toThrow("proxies[0]");
    const all = (r: { maps: tf.Tensor[]; proxies: tf.Tensor[] }) => [...r.maps, ...r.proxies];
    expect(leakedTensors(() => all(adaptor.apply([coarse, fine], undefined, training())))).toBe(0);
    expect(leakedTensors(() => all(learner.apply([coarse, fine], proxies, training())))).toBe(0);
    const before = tf.memory().numTensors;
    semanticProxyAdaptor(solid()).dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});
