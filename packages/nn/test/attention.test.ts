import { multiHeadAttention, RandomStream, scaledDotProductAttention, transformerEncoderLayer } from "@semiseg/nn";
import { eachBackend, gradientError, leakedTensors } from "@semiseg/test-utils";
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";

const random = new RandomStream(2);
const numbers = (x: tf.Tensor): number[] => [...x.dataSync()];
const farthest = (a: tf.Tensor, b: tf.Tensor): number => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0]!;
const probe = (y: tf.Tensor): tf.Scalar =>
  tf.tidy(() => tf.sum(tf.mul(tf.square(y), tf.reshape(tf.sin(tf.range(1, y.size + 1)), y.shape))) as tf.Scalar);
const inputs = () => [random.normal([2, 5, 4]), random.normal([2, 3, 4]), random.normal([2, 3, 4])] as const;

eachBackend("scaledDotProductAttention", () => {
  it("averages values with weights softmax(q k^T / sqrt d)", () => {
    const query = tf.tensor([1, 0, 0, 2], [2, 1, 2]);
    const key = tf.tensor([1, 0, 0, 1, 0, 1, 1, 0], [2, 2, 2]);
    const value = tf.tensor([1, 0, 0, 1, 1, 0, 0, 1], [2, 2, 2]);
    const weight = (a: number) => 1 / (1 + Math.exp(-a / Math.SQRT2));
    const expected = [weight(1), 1 - weight(1), weight(2), 1 - weight(2)];
    for (const [i, y] of numbers(scaledDotProductAttention({ query, key, value })).entries())
      expect(y).toBeCloseTo(expected[i]!, 5);
  });

  it("gives the same result and gradients whatever the chunk, dropout masks included", () => {
    const [query, key, value] = inputs();
    for (const dropout of [0, 0.4]) {
      const run = (queryChunk: number | undefined) => {
        const chunk = queryChunk ? { queryChunk } : {};
        const f = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor) => {
          const random = new RandomStream(9);
          return probe(scaledDotProductAttention({ query: q, key: k, value: v, dropout, random, ...chunk }));
        };
        return tf.grads(f)([query, key, value]);
      };
      const whole = run(undefined);
      for (const chunk of [1, 2, 4, 5, 9])
        for (const [i, g] of run(chunk).entries()) expect(farthest(g, whole[i]!)).toBeLessThan(1e-5);
    }
  });

  it("holds four tensors of weights at a time at the most, forward and backward", () => {
    const [query, key, value] = [64, 64, 64].map((t) => random.normal([3, t, 2])) as [tf.Tensor, tf.Tensor, tf.Tensor];
    const own = tf.engine();
    const { trackTensor } = own;
    const before = own.state.numBytes;
    let most = 0;
    own.trackTensor = function (this: typeof own, ...args: Parameters<typeof trackTensor>) {
      trackTensor.apply(this, args);
      most = Math.max(most, own.state.numBytes - before);
    };
    const queryChunk = 32;
    const f = (q: tf.Tensor) =>
      probe(scaledDotProductAttention({ query: q, key, value, dropout: 0.4, random: new RandomStream(9), queryChunk }));
    tf.grad(f)(query);
    own.trackTensor = trackTensor;
    // Beside them a mask of bytes and small tensors of 1.5 KiB each.
    expect(most).toBeLessThan(4 * 3 * queryChunk * 64 * 4 + 3 * queryChunk * 64 + 40 * 3 * 64 * 2 * 4);
  });

  it("has the gradients of query, key and value, with dropout too", () => {
    for (const dropout of [0, 0.4]) {
      const f = (query: tf.Tensor, key: tf.Tensor, value: tf.Tensor) =>
        probe(scaledDotProductAttention({ query, key, value, dropout, random: new RandomStream(9), queryChunk: 2 }));
      expect(gradientError(f, inputs())).toBeLessThan(1e-2);
    }
  });
});

eachBackend("multiHeadAttention and transformerEncoderLayer", () => {
  it("start from PyTorch's initial weights: Xavier uniform in, zero biases", () => {
    const layer = multiHeadAttention({ channels: 32, heads: 4, random });
    const values = numbers(layer.named.get("in_proj_weight")!);
    const bound = Math.sqrt(6 / 128);
    expect(Math.max(...values)).toBeLessThanOrEqual(bound);
    expect(Math.max(...values)).toBeGreaterThan(0.98 * bound);
    for (const name of ["in_proj_bias", "out_proj.bias"])
      expect(numbers(layer.named.get(name)!).every((v) => v === 0)).toBe(true);
  });

  it("have 198,272 parameters at 128 channels, 4 heads and a feed-forward part of 512, as CAML's", () => {
    const layer = transformerEncoderLayer({ channels: 128, heads: 4, feedForward: 512, random });
    expect(layer.variables.reduce((n, v) => n + v.size, 0)).toBe(198_272);
  });

  it("follow the order of queries and ignore that of keys", () => {
    const layer = multiHeadAttention({ channels: 4, heads: 2, random });
    const x = random.normal([1, 4, 4]);
    const order = tf.tensor1d([2, 0, 3, 1], "int32");
    expect(farthest(layer.apply(tf.gather(x, order, 1)), tf.gather(layer.apply(x), order, 1))).toBeLessThan(1e-5);
    expect(farthest(layer.attend({ query: x, key: tf.gather(x, order, 1) }), layer.apply(x))).toBeLessThan(1e-5);
  });

  it("give the same within a budget for attention weights, however small", () => {
    const build = (memoryBudget?: number) =>
      multiHeadAttention({
        channels: 4,
        heads: 2,
        random: new RandomStream(5),
        ...(memoryBudget === undefined ? {} : { memoryBudget }),
      });
    const x = random.normal([2, 7, 4]);
    const whole = build().apply(x);
    // 4 sequences of 7 keys, in four tensors, are 448 bytes a query.
    for (const bytes of [1, 448, 1400, 1e6])
      expect(farthest(build(bytes).apply(x), whole), `${bytes}`).toBeLessThan(1e-6);
    expect(() => build(0)).toThrow("memoryBudget");
  });

  it("drop at random while training only, from the stream they are given", () => {
    const layer = transformerEncoderLayer({ channels: 4, heads: 2, dropout: 0.5, random });
    const x = random.normal([2, 3, 4]);
    const run = (seed: number) => numbers(layer.apply(x, { training: true, random: new RandomStream(seed) }));
    expect(run(1)).toEqual(run(1));
    expect(run(1)).not.toEqual(run(2));
    expect(numbers(layer.apply(x))).toEqual(numbers(layer.apply(x)));
    expect(() => layer.apply(x, { training: true })).toThrow("options.random");
  });

  it("leave no tensors behind", () => {
    const layer = transformerEncoderLayer({ channels: 4, heads: 2, random, queryChunk: 2 });
    const x = random.normal([2, 3, 4]);
    const options = () => ({ training: true, random: new RandomStream(1) });
    expect(leakedTensors(() => tf.grad((a) => probe(layer.apply(a, options())))(x))).toBe(0);
  });

  it("refuse heads that do not divide the channels and other shapes", () => {
    expect(() => multiHeadAttention({ channels: 6, heads: 4, random })).toThrow("divide the 6 channels");
    expect(() => multiHeadAttention({ channels: 4, heads: 2, random }).apply(tf.ones([2, 4]))).toThrow("rank 3");
    expect(() => multiHeadAttention({ channels: 4, heads: 2, random }).apply(tf.ones([1, 2, 3]))).toThrow("[1, T, 4]");
  });
});
