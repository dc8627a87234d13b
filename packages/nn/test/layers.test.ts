import {
  adamW,
  avgPool,
  batchNorm,
  channelDropout,
  clipByGlobalNorm,
  conv,
  convolution,
  dropout,
  gelu,
  groupNorm,
  instanceNorm,
  layerNorm,
  leakyRectify,
  linear,
  maxPool,
  RandomStream,
  rectify,
  resize,
  resizeArea,
  resizeLinear,
  resizeNearest,
  sgd,
  transposedConv,
  transposedConvolution,
} from "@semiseg/nn";
import { eachBackend, gradientError, leakedTensors } from "@semiseg/test-utils";
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";

const random = new RandomStream(3);
const normal = (...shape: number[]) => random.normal(shape);
/** A scalar that depends on every entry differently. */
const probe = (y: tf.Tensor): tf.Scalar =>
  tf.tidy(() => {
    const weights = tf.reshape(tf.sin(tf.mul(tf.range(0, y.size), 1.7)), y.shape);
    return tf.sum(tf.mul(tf.add(y, tf.mul(0.5, tf.square(y))), weights)) as tf.Scalar;
  });
const numbers = (x: tf.Tensor): number[] => [...x.dataSync()];
const close = (actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-5): void => {
  expect(actual.length).toBe(expected.length);
  for (let i = 0; i < actual.length; i++)
    expect(Math.abs(actual[i]! - expected[i]!), `entry ${i}: ${actual[i]} for ${expected[i]}`).toBeLessThan(tolerance);
};

eachBackend("convolution", () => {
  it("sums the 3^3 neighbourhood with zeros outside, in 2-D and 3-D", () => {
    const ones3 = convolution(tf.ones([1, 3, 3, 3, 1]), tf.ones([3, 3, 3, 1, 1]));
    expect(ones3.shape).toEqual([1, 3, 3, 3, 1]);
    const values = numbers(ones3);
    expect([values[0], values[1], values[4], values[13]]).toEqual([8, 12, 18, 27]);
    expect(numbers(convolution(tf.ones([1, 2, 2, 1]), tf.ones([3, 3, 1, 1])))).toEqual([4, 4, 4, 4]);
  });

  it("pads symmetrically at stride 2, as PyTorch and unlike TensorFlow", () => {
    const x = tf.tensor([1, 2, 3, 4], [1, 4, 1, 1]);
    const kernel = tf.tensor([1, 10, 100], [3, 1, 1, 1]);
    // Zeros at both ends: windows (0,1,2) and (2,3,4).
    expect(numbers(convolution(x, kernel, { strides: [2, 1], padding: "same" }))).toEqual([210, 432]);
    expect(numbers(convolution(x, kernel, { strides: [2, 1], padding: "valid" }))).toEqual([321]);
  });

  it("has the gradients of input and kernel", () => {
    expect(gradientError((x, k) => probe(convolution(x, k)), [normal(1, 3, 4, 2), normal(3, 3, 2, 2)])).toBeLessThan(
      1e-2,
    );
    expect(
      gradientError((x, k) => probe(convolution(x, k)), [normal(1, 2, 3, 2, 2), normal(3, 3, 3, 2, 1)]),
    ).toBeLessThan(1e-2);
    expect(
      gradientError(
        (x, k) => probe(convolution(x, k, { strides: 2, padding: "valid" })),
        [normal(1, 4, 4, 2, 1), normal(2, 2, 2, 1, 3)],
      ),
    ).toBeLessThan(1e-2);
    expect(
      gradientError((x, k) => probe(convolution(x, k, { strides: 2 })), [normal(1, 4, 3, 2, 1), normal(3, 3, 3, 1, 2)]),
    ).toBeLessThan(1e-2);
  });

  it("refuses an even kernel with padding 'same', naming the remedy", () => {
    expect(() => convolution(tf.ones([1, 4, 4, 1]), tf.ones([2, 2, 1, 1]))).toThrow("use 'valid' or a number");
  });
});

eachBackend("transposedConvolution", () => {
  it("spreads every voxel over its own block when kernel and stride are equal", () => {
    const x = tf.tensor([1, 2], [1, 1, 1, 2, 1]);
    const kernel = tf.tensor([1, 2, 3, 4, 5, 6, 7, 8], [2, 2, 2, 1, 1]);
    const y = transposedConvolution(x, kernel);
    expect(y.shape).toEqual([1, 2, 2, 4, 1]);
    expect(numbers(y)).toEqual([1, 2, 2, 4, 3, 4, 6, 8, 5, 6, 10, 12, 7, 8, 14, 16]);
  });

  it("has the gradients of input and kernel, 2-D and 3-D, overlapping or not", () => {
    const cases = [
      [normal(1, 2, 3, 2), normal(2, 2, 3, 2), 2],
      [normal(1, 2, 1, 2, 3), normal(2, 2, 2, 2, 3), 2],
      [normal(1, 2, 2, 2, 1), normal(3, 3, 3, 2, 1), 2],
    ] as const;
    for (const [x, k, strides] of cases)
      expect(gradientError((a, b) => probe(transposedConvolution(a, b, { strides })), [x, k])).toBeLessThan(1e-2);
  });

  it("leaves no tensors behind", () => {
    const [x, k] = [normal(1, 2, 2, 2, 1), normal(2, 2, 2, 2, 1)];
    expect(leakedTensors(() => tf.grads((a, b) => probe(transposedConvolution(a, b)))([x, k]))).toBe(0);
  });
});

eachBackend("conv, transposedConv, linear", () => {
  it("draw weight and bias from U(-1/sqrt(fanIn), 1/sqrt(fanIn)), the transposed one with fan-in out * k^d", () => {
    const layers = [
      [conv({ spatialDims: 3, inChannels: 4, outChannels: 16, kernelSize: 3, random: new RandomStream(1) }), 4 * 27],
      [transposedConv({ spatialDims: 3, inChannels: 16, outChannels: 8, random: new RandomStream(1) }), 8 * 8],
      [linear({ inFeatures: 50, outFeatures: 40, random: new RandomStream(1) }), 50],
    ] as const;
    for (const [layer, fanIn] of layers) {
      const bound = 1 / Math.sqrt(fanIn);
      for (const variable of layer.variables) {
        const values = numbers(variable);
        expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(bound);
        if (values.length > 500) {
          expect(Math.max(...values)).toBeGreaterThan(0.98 * bound);
          expect(Math.sqrt(values.reduce((a, v) => a + v * v, 0) / values.length)).toBeCloseTo(bound / Math.sqrt(3), 1);
        }
      }
      layer.dispose();
    }
  });

  it("add the bias, and have no bias variable when asked for none", () => {
    const layer = conv({ spatialDims: 2, inChannels: 1, outChannels: 2, kernelSize: 1, random });
    close(numbers(layer.apply(tf.zeros([1, 1, 1, 1]))), numbers(layer.bias!));
    const bare = conv({ spatialDims: 2, inChannels: 1, outChannels: 2, kernelSize: 1, bias: false, random });
    expect([...bare.named.keys()]).toEqual(["weight"]);
  });

  it("compute x W^T + b over the last axis of any rank", () => {
    const layer = linear({ inFeatures: 2, outFeatures: 3, random });
    layer.weight.assign(tf.tensor([1, 0, 0, 1, 1, 1], [3, 2]));
    layer.bias!.assign(tf.tensor([0, 10, 100]));
    const y = layer.apply(tf.tensor([1, 2, 3, 4], [1, 2, 1, 2]));
    expect(y.shape).toEqual([1, 2, 1, 3]);
    expect(numbers(y)).toEqual([1, 12, 103, 3, 14, 107]);
  });

  it("refuse the wrong rank or channel count, naming what came", () => {
    const layer = conv({ spatialDims: 3, inChannels: 2, outChannels: 2, kernelSize: 3, random });
    expect(() => layer.apply(tf.ones([1, 4, 4, 2]))).toThrow("[N, D, H, W, 2] (channels last), received [1, 4, 4, 2]");
    expect(() => layer.apply(tf.ones([1, 4, 4, 4, 1]))).toThrow("received [1, 4, 4, 4, 1]");
  });
});

eachBackend("batchNorm", () => {
  const trained = (options: object = {}) => batchNorm({ channels: 2, ...options });

  it("gives each channel mean 0 and variance 1 over batch and space while training", () => {
    const y = trained().apply(tf.add(tf.mul(normal(2, 3, 4, 5, 2), 3), 7), { training: true });
    const { mean, variance } = tf.moments(y, [0, 1, 2, 3]);
    close(numbers(mean), [0, 0], 1e-5);
    close(numbers(variance), [1, 1], 1e-3);
  });

  it("moves the running mean and the unbiased running variance by the momentum", () => {
    const layer = trained();
    layer.apply(tf.tensor([1, 10, 3, 20, 5, 30], [3, 1, 1, 2]), { training: true });
    close(numbers(layer.named.get("running_mean")!), [0.3, 2], 1e-5);
    close(numbers(layer.named.get("running_var")!), [0.9 + 0.1 * 4, 0.9 + 0.1 * 100], 1e-4);
  });

  it("leaves the running statistics alone outside training and with updateBuffers false", () => {
    const layer = trained();
    layer.apply(normal(2, 2, 2, 2), {});
    layer.apply(normal(2, 2, 2, 2), { training: true, updateBuffers: false });
    expect(numbers(layer.named.get("running_mean")!)).toEqual([0, 0]);
    expect(numbers(layer.named.get("running_var")!)).toEqual([1, 1]);
  });

  it("updates the running statistics inside variableGrads too, without leaking", () => {
    const layer = trained();
    const x = tf.add(normal(2, 2, 2, 2, 2), 5);
    const step = () => tf.variableGrads(() => probe(layer.apply(x, { training: true })));
    tf.dispose(step() as unknown as tf.TensorContainer);
    expect(numbers(layer.named.get("running_mean")!)[0]).toBeGreaterThan(0.1);
    expect(leakedTensors(() => step() as unknown as tf.TensorContainer)).toBe(0);
  });

  it("uses the running statistics outside training", () => {
    const layer = trained({ relu: true });
    layer.named.get("running_mean")!.assign(tf.tensor([1, 2]));
    layer.named.get("running_var")!.assign(tf.tensor([4, 9]));
    close(numbers(layer.apply(tf.tensor([5, 8, -1, -4], [1, 1, 2, 2]))), [2, 2, 0, 0], 1e-4);
  });

  it("treats an inputBias as if it had been added: same output, running mean moved by it, gradient exactly 0", () => {
    const bias = tf.variable(tf.tensor([3, -1]));
    const [plain, spared] = [trained({ relu: true }), trained({ relu: true })];
    const x = normal(2, 2, 2, 2);
    close(
      numbers(spared.apply(x, { training: true, inputBias: bias })),
      numbers(plain.apply(tf.add(x, bias), { training: true })),
    );
    close(numbers(spared.named.get("running_mean")!), numbers(plain.named.get("running_mean")!));
    close(numbers(spared.apply(x, { inputBias: bias })), numbers(plain.apply(tf.add(x, bias))));
    const { grads } = tf.variableGrads(() => probe(spared.apply(x, { training: true, inputBias: bias })), [bias]);
    expect(numbers(grads[bias.name]!)).toEqual([0, 0]);
  });

  it("has the gradient of batch statistics, scale and shift, with and without ReLU", () => {
    for (const relu of [false, true])
      for (const shape of [
        [3, 2, 2, 2],
        [2, 2, 1, 3, 2],
      ]) {
        const layer = trained({ relu });
        layer.named.get("bias")!.assign(tf.tensor([0.3, -0.2]));
        const x = random.normal(shape);
        expect(gradientError((a) => probe(layer.apply(a, { training: true })), [x], { step: 3e-3 })).toBeLessThan(1e-2);
        const { grads } = tf.variableGrads(
          () => probe(layer.apply(x, { training: true })),
          [layer.named.get("weight")!, layer.named.get("bias")!],
        );
        for (const key of ["weight", "bias"]) {
          const variable = layer.named.get(key)!;
          const at = (delta: number, i: number) => {
            const before = variable.dataSync().slice();
            variable.assign(tf.tensor(before.map((v, j) => (j === i ? v + delta : v))));
            const value = probe(layer.apply(x, { training: true })).dataSync()[0]!;
            variable.assign(tf.tensor(before));
            return value;
          };
          const numeric = [0, 1].map((i) => (at(1e-2, i) - at(-1e-2, i)) / 2e-2);
          close(numbers(grads[variable.name]!), numeric, 2e-2 * Math.max(1, ...numeric.map(Math.abs)));
        }
      }
  });

  it("refuses a training pass with one value per channel", () => {
    expect(() => trained().apply(tf.ones([1, 1, 1, 2]), { training: true })).toThrow("larger batch or patch");
  });
});

eachBackend("groupNorm, instanceNorm, layerNorm", () => {
  it("normalise per sample and group, in and outside training alike", () => {
    for (const [layer, axes] of [
      [instanceNorm({ channels: 4 }), [1, 2, 3]],
      [groupNorm({ channels: 4, groups: 1 }), [1, 2, 3, 4]],
    ] as const) {
      const x = tf.add(normal(2, 3, 3, 3, 4), 4);
      const y = layer.apply(x, { training: true });
      const { mean, variance } = tf.moments(y, [...axes]);
      for (const v of numbers(mean)) expect(Math.abs(v)).toBeLessThan(1e-5);
      for (const v of numbers(variance)) expect(v).toBeCloseTo(1, 3);
      close(numbers(layer.apply(x)), numbers(y));
    }
  });

  it("share statistics between the channels of a group only", () => {
    const layer = groupNorm({ channels: 4, groups: 2 });
    const [a, b] = [normal(1, 2, 2, 4), normal(1, 2, 2, 2)];
    const changed = tf.concat([tf.slice(a, [0, 0, 0, 0], [1, 2, 2, 2]), b], 3);
    const first = (x: tf.Tensor) => numbers(tf.slice(layer.apply(x), [0, 0, 0, 0], [1, 2, 2, 2]));
    close(first(changed), first(a));
  });

  it("normalise the last axis of any rank", () => {
    const y = layerNorm({ channels: 4 }).apply(tf.tensor([1, 2, 3, 4, 0, 0, 0, 0], [1, 2, 4]));
    close(numbers(y), [-1.34164, -0.44721, 0.44721, 1.34164, 0, 0, 0, 0], 1e-4);
  });

  it("have the gradient of their statistics", () => {
    const layers = [
      [groupNorm({ channels: 4, groups: 2, relu: true }), normal(2, 2, 2, 2, 4)],
      [instanceNorm({ channels: 2 }), normal(2, 3, 2, 2)],
      [layerNorm({ channels: 5 }), normal(3, 5)],
    ] as const;
    for (const [layer, x] of layers)
      expect(gradientError((a) => probe(layer.apply(a)), [x], { step: 3e-3 })).toBeLessThan(1e-2);
  });

  it("refuse groups that do not divide the channels", () => {
    expect(() => groupNorm({ channels: 4, groups: 3 })).toThrow("groups must divide the 4 channels");
  });
});

eachBackend("dropout", () => {
  it("is the identity outside training and at rate 0", () => {
    const x = normal(2, 2, 2, 3);
    for (const layer of [dropout({ rate: 0.5 }), channelDropout({ rate: 0.5 })])
      expect(numbers(layer.apply(x))).toEqual(numbers(x));
    expect(numbers(dropout({ rate: 0 }).apply(x, { training: true }))).toEqual(numbers(x));
  });

  it("drops single values at the rate and divides the others by 1 - rate", () => {
    const values = numbers(
      dropout({ rate: 0.25 }).apply(tf.ones([1, 50, 50, 4]), { training: true, random: new RandomStream(1) }),
    );
    const dropped = values.filter((v) => v === 0).length / values.length;
    expect(Math.abs(dropped - 0.25)).toBeLessThan(0.015);
    for (const v of values) if (v !== 0) expect(v).toBeCloseTo(4 / 3, 4);
  });

  it("drops whole channels per sample", () => {
    const y = channelDropout({ rate: 0.5 }).apply(tf.ones([8, 2, 2, 2, 16]), {
      training: true,
      random: new RandomStream(1),
    });
    const spread = tf.sub(tf.max(y, [1, 2, 3]), tf.min(y, [1, 2, 3]));
    expect(Math.max(...numbers(spread))).toBe(0);
    const kept = numbers(tf.mean(y, [1, 2, 3]));
    expect(new Set(kept)).toEqual(new Set([0, 2]));
    expect(new Set(kept.slice(0, 16).map((v, i) => v - kept[i + 16]!)).size).toBeGreaterThan(1);
  });

  it("draws the same mask from the same stream, another one from the stream as it went on", () => {
    const x = tf.ones([1, 8, 8, 4]);
    const run = (stream: RandomStream) => numbers(dropout({ rate: 0.5 }).apply(x, { training: true, random: stream }));
    const stream = new RandomStream(5);
    const first = run(stream);
    expect(run(new RandomStream(5))).toEqual(first);
    expect(run(stream)).not.toEqual(first);
  });

  it("asks for a random stream while training, naming the remedy", () => {
    expect(() => dropout({ rate: 0.5 }).apply(tf.ones([1, 2, 2, 1]), { training: true })).toThrow("options.random");
    expect(() => channelDropout({ rate: 1 })).toThrow("rate");
  });
});

eachBackend("resize", () => {
  it("interpolates at half-pixel centres by default", () => {
    const y = resizeLinear(tf.tensor([0, 1, 2, 3], [1, 2, 2, 1]), 4);
    close(numbers(y), [0, 0.25, 0.75, 1, 0.5, 0.75, 1.25, 1.5, 1.5, 1.75, 2.25, 2.5, 2, 2.25, 2.75, 3]);
  });

  it("makes the corners coincide with alignCorners", () => {
    const y = resizeLinear(tf.tensor([0, 3, 6, 9], [1, 2, 2, 1]), 4, { alignCorners: true });
    close(numbers(y), [0, 1, 2, 3, 2, 3, 4, 5, 4, 5, 6, 7, 6, 7, 8, 9], 1e-4);
  });

  it("reproduces a linear ramp in 3-D with alignCorners, whatever the size", () => {
    const ramp = (d: number, h: number, w: number) =>
      tf.tidy(() => {
        const axis = (n: number, shape: number[]) => tf.reshape(tf.linspace(0, 1, n), shape);
        return tf.add(
          tf.add(axis(d, [1, d, 1, 1, 1]), tf.mul(2, axis(h, [1, 1, h, 1, 1]))),
          tf.mul(4, axis(w, [1, 1, 1, w, 1])),
        );
      });
    close(numbers(resizeLinear(ramp(2, 3, 4), [5, 4, 7], { alignCorners: true })), numbers(ramp(5, 4, 7)), 1e-4);
  });

  it("takes index floor(i * in / out) for nearest, strided slicing for whole factors, keeping the dtype", () => {
    const x = tf.tensor([1, 2, 3], [1, 3, 1, 1], "int32");
    const y = resizeNearest(x, [5, 1]);
    expect([y.dtype, numbers(y)]).toEqual(["int32", [1, 1, 2, 2, 3]]);
    const volume = normal(1, 4, 4, 6, 2);
    expect(numbers(resizeNearest(volume, [2, 2, 3]))).toEqual(
      numbers(tf.stridedSlice(volume, [0, 0, 0, 0, 0], [1, 4, 4, 6, 2], [1, 2, 2, 2, 1])),
    );
  });

  it("has gradients in every mode, up and down, 2-D and 3-D", () => {
    const modes = [{ mode: "linear" }, { mode: "linear", alignCorners: true }, { mode: "nearest" }] as const;
    for (const mode of modes) {
      expect(gradientError((x) => probe(resize({ ...mode, scale: 2 }).apply(x)), [normal(2, 2, 3, 2)])).toBeLessThan(
        1e-2,
      );
      expect(
        gradientError((x) => probe(resize({ ...mode, size: [3, 2, 5] }).apply(x)), [normal(1, 2, 4, 3, 2)]),
      ).toBeLessThan(1e-2);
    }
  });

  it("averages over equal cells, voxels on a border by their share, with gradients", () => {
    close(numbers(resizeArea(tf.tensor([1, 2, 3, 4], [1, 2, 2, 1]), 1)), [2.5]);
    // Cells of 1.5 voxels: (1 + 2 / 2) / 1.5 and (2 / 2 + 6) / 1.5.
    close(numbers(resizeArea(tf.tensor([1, 2, 6], [1, 3, 1, 1]), [2, 1])), [4 / 3, 14 / 3]);
    close(numbers(resizeArea(tf.tensor([5, 7], [1, 2, 1, 1]), [4, 1])), [5, 5, 7, 7]);
    expect(gradientError((x) => probe(resizeArea(x, [3, 2, 2])), [normal(2, 4, 5, 2, 3)])).toBeLessThan(1e-2);
  });

  it("leaves no tensors behind", () => {
    const x = normal(1, 2, 2, 2, 2);
    for (const f of [resizeArea, resizeLinear, resizeNearest])
      expect(leakedTensors(() => tf.grad((a) => probe(f(a, 4)))(x))).toBe(0);
  });

  it("refuses another rank and both scale and size", () => {
    expect(() => resizeLinear(tf.ones([2, 2, 1]), 4)).toThrow("rank 4 or 5");
    expect(() => resizeArea(tf.ones([2, 2, 1]), 4)).toThrow("rank 4 or 5");
    expect(() => resize({ scale: 2, size: 3 })).toThrow("either scale or size");
  });
});

eachBackend("pooling and activations", () => {
  it("pools windows of 2-D and 3-D tensors with gradients", () => {
    expect(numbers(maxPool().apply(tf.tensor([1, 2, 3, 4], [1, 2, 2, 1])))).toEqual([4]);
    expect(numbers(avgPool().apply(tf.tensor([1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 2, 2, 1])))).toEqual([4.5]);
    // Values far apart, so that no window's maximum changes within the step.
    const spread = (...shape: number[]) =>
      tf.reshape(
        tf.mul(
          tf.sin(
            tf.mul(
              tf.range(
                0,
                shape.reduce((a, b) => a * b),
              ),
              2.3,
            ),
          ),
          5,
        ),
        shape,
      );
    for (const shape of [
      [1, 4, 4, 2],
      [1, 2, 4, 2, 2],
    ])
      for (const layer of [maxPool(), avgPool()])
        expect(gradientError((x) => probe(layer.apply(x)), [spread(...shape)])).toBeLessThan(1e-2);
  });

  it("rectify, leakily or not, with gradients at rank 5", () => {
    const x = tf.tensor([-2, -0.5, 0.5, 2], [1, 1, 2, 2, 1]);
    expect(numbers(rectify(x))).toEqual([0, 0, 0.5, 2]);
    close(numbers(leakyRectify(x)), [-0.02, -0.005, 0.5, 2]);
    expect(gradientError((a) => probe(rectify(a)), [x])).toBeLessThan(1e-2);
    expect(gradientError((a) => probe(leakyRectify(a, 0.2)), [x])).toBeLessThan(1e-2);
  });

  it("gelu is the exact one", () => {
    close(numbers(gelu(tf.tensor([-1, 0, 1, 2]))), [-0.15865525, 0, 0.84134475, 1.95449974], 2e-6);
  });
});

eachBackend("optimizers", () => {
  const setUp = () => {
    const w = tf.variable(tf.tensor([1, -2]));
    return { w, named: new Map([["w", w]]), gradient: () => ({ w: tf.tensor([0.5, 0.25]) }) };
  };

  it("sgd follows torch.optim.SGD: g += wd w; v = m v + g; w -= lr v", () => {
    const { w, named, gradient } = setUp();
    const optimizer = sgd({ learningRate: 0.1, momentum: 0.9, weightDecay: 0.01 });
    const expected = [1, -2];
    const velocity = [0, 0];
    for (let step = 0; step < 3; step++) {
      optimizer.apply(gradient(), named, step);
      for (const [i, g] of [0.5, 0.25].entries()) {
        velocity[i] = 0.9 * velocity[i]! + g + 0.01 * expected[i]!;
        expected[i] = expected[i]! - 0.1 * velocity[i]!;
      }
      close(numbers(w), expected, 1e-6);
    }
  });

  it("sgd with Nesterov looks ahead; a schedule sets each step's rate", () => {
    const { w, named, gradient } = setUp();
    const optimizer = sgd({ learningRate: (step) => (step === 0 ? 0.1 : 0), nesterov: true, weightDecay: 0 });
    optimizer.apply(gradient(), named, 0);
    close(numbers(w), [1 - 0.1 * 1.9 * 0.5, -2 - 0.1 * 1.9 * 0.25], 1e-6);
    const before = numbers(w);
    optimizer.apply(gradient(), named, 1);
    expect(numbers(w)).toEqual(before);
  });

  it("adamW follows torch.optim.AdamW", () => {
    const { w, named, gradient } = setUp();
    const optimizer = adamW({ learningRate: 0.1, weightDecay: 0.1 });
    // From torch.optim.AdamW on the same numbers: with a constant gradient every step is rate * sign(g).
    optimizer.apply(gradient(), named, 0);
    close(numbers(w), [1 * 0.99 - 0.1, -2 * 0.99 - 0.1], 1e-5);
    optimizer.apply(gradient(), named, 1);
    close(numbers(w), [0.89 * 0.99 - 0.1, -2.08 * 0.99 - 0.1], 1e-5);
  });

  it("go on from a saved state exactly as if never interrupted, and refuse another kind's state", () => {
    for (const make of [() => sgd({ learningRate: 0.1 }), () => adamW({ learningRate: 0.1 })]) {
      const [a, b] = [setUp(), setUp()];
      const [first, whole] = [make(), make()];
      for (let step = 0; step < 4; step++) whole.apply(b.gradient(), b.named, step);
      for (let step = 0; step < 2; step++) first.apply(a.gradient(), a.named, step);
      const saved = first.saveState();
      const resumed = make();
      resumed.loadState({ json: JSON.parse(JSON.stringify(saved.json)), tensors: saved.tensors });
      first.dispose();
      for (let step = 2; step < 4; step++) resumed.apply(a.gradient(), a.named, step);
      expect(numbers(a.w)).toEqual(numbers(b.w));
    }
    expect(() => adamW({ learningRate: 1 }).loadState(sgd({ learningRate: 1 }).saveState())).toThrow("'sgd'");
  });

  it("leave variables without a gradient alone and refuse gradients of no variable", () => {
    const { w, named } = setUp();
    const optimizer = sgd({ learningRate: 0.1, weightDecay: 1 });
    optimizer.apply(new Map(), named, 0);
    expect(numbers(w)).toEqual([1, -2]);
    expect(() => optimizer.apply({ v: tf.ones([2]) }, named, 0)).toThrow("'v'");
    expect(() => optimizer.apply({ w: tf.ones([3]) }, named, 0)).toThrow("the gradient of w is [3]");
  });

  it("leave no tensors behind and take part in no gradient", () => {
    const { named, gradient } = setUp();
    const g = gradient();
    for (const optimizer of [sgd({ learningRate: 0.1 }), adamW({ learningRate: 0.1 })]) {
      optimizer.apply(g, named, 0);
      const step = () => {
        optimizer.apply(g, named, 1);
        return [];
      };
      expect(leakedTensors(step)).toBe(0);
    }
  });

  it("clip by the norm of all gradients together", () => {
    const gradients = { a: tf.tensor([3]), b: tf.tensor([4]) };
    const clipped = clipByGlobalNorm(gradients, 1);
    close([...numbers(clipped.gradients.get("a")!), ...numbers(clipped.gradients.get("b")!)], [0.6, 0.8]);
    expect(clipped.norm.dataSync()[0]).toBeCloseTo(5);
    expect(numbers(clipByGlobalNorm(gradients, 10).gradients.get("b")!)).toEqual([4]);
  });
});
