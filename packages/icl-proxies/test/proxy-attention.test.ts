import { OptionError, ShapeError } from "@semiseg/errors";
import { type ProxyAttention, proxyAttention } from "@semiseg/icl-proxies";
import { RandomStream } from "@semiseg/nn";
import { eachBackend, gradientError, leakedTensors } from "@semiseg/test-utils";
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";

const build = (options: object = {}) =>
  proxyAttention({ channels: 4, heads: 2, random: new RandomStream(3), ...options });
/** Every projection the identity. */
function identity(options: object = {}): ProxyAttention {
  const attention = build(options);
  for (const [name, variable] of attention.named)
    variable.assign(name.endsWith("bias") ? tf.zeros(variable.shape) : (tf.eye(4) as tf.Tensor));
  return attention;
}
const proxies = tf.tensor3d([
  [
    [1, 0, 0, 2],
    [0, -1, 1, 0],
  ],
]);
const tokens = tf.tensor3d([
  [
    [1, 0, 0, 1],
    [0, 1, 1, 0],
    [1, 1, -1, 0],
  ],
]);
const random = (shape: number[], seed: number) => new RandomStream(seed).normal(shape);
const farthest = (a: tf.Tensor, b: tf.Tensor): number => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0]!;
const close = (t: tf.Tensor, expected: readonly number[]) => {
  const values = t.dataSync();
  expect(values.length).toBe(expected.length);
  for (const [i, v] of expected.entries()) expect(values[i]).toBeCloseTo(v, 6);
};

eachBackend("proxyAttention", () => {
  it("G5: gives the published context and scores, each head of each class with its own query", () => {
    const { scores, attended } = identity().attend({ proxies, tokens });
    close(attended!, [0.8022242, 0.5988879, 0, 0.6728418, 0.7517449, 0.4965102, 0.4359461, 0.2839954]);
    expect(scores.shape).toEqual([1, 3, 2, 2]);
    const r = Math.SQRT1_2;
    // By class, head, token.
    close(tf.transpose(scores, [0, 2, 3, 1]), [r, 0, r, 2 * r, 0, 0, 0, -r, -r, 0, r, -r]);
  });

  it("G5: compatScramble gives the released code's context, which mixes heads and classes up", () => {
    const { attended } = identity({ compatScramble: true }).attend({ proxies, tokens });
    close(attended!, [0.8022242, 0.5988879, 0.5541917, 0.8916165, 0, 0.1977758, 0.4359461, 0.2839954]);
  });

  it("is attention with explicit keys and values", () => {
    const attention = build();
    const [q, x] = [random([2, 3, 4], 1), random([2, 5, 4], 2)];
    const linear = (name: string, t: tf.Tensor): tf.Tensor => {
      const rows = tf.reshape(t, [-1, 4]) as tf.Tensor2D;
      const y = tf.matMul(rows, attention.named.get(`${name}.weight`) as unknown as tf.Tensor2D, false, true);
      return tf.reshape(tf.add(y, attention.named.get(`${name}.bias`)!), t.shape);
    };
    const heads = (t: tf.Tensor) => tf.transpose(tf.reshape(t, [2, -1, 2, 2]), [0, 2, 1, 3]);
    const scores = tf.mul(tf.matMul(heads(linear("query", q)), heads(linear("key", x)), false, true), Math.SQRT1_2);
    const context = tf.matMul(tf.softmax(scores), heads(linear("value", x)));
    const expected = linear("output", tf.reshape(tf.transpose(context, [0, 2, 1, 3]), [2, 3, 4]));
    const { scores: own, attended } = attention.attend({ proxies: q, tokens: x });
    expect(farthest(tf.transpose(own, [0, 3, 2, 1]), scores)).toBeLessThan(1e-5);
    expect(farthest(attended!, expected)).toBeLessThan(1e-5);
  });

  it("takes one set of proxies for all samples as the same as a copy for each", () => {
    const attention = build();
    const [q, x] = [random([1, 3, 4], 1), random([2, 5, 4], 2)];
    const one = attention.attend({ proxies: q, tokens: x });
    const each = attention.attend({ proxies: tf.tile(q, [2, 1, 1]), tokens: x });
    expect(farthest(one.scores, each.scores)).toBeLessThan(1e-6);
    expect(farthest(one.attended!, each.attended!)).toBeLessThan(1e-6);
  });

  it("a permutation of tokens leaves the attended values and moves the scores along", () => {
    const attention = build();
    const [q, x] = [random([1, 3, 4], 1), random([2, 5, 4], 2)];
    const order = tf.tensor1d([3, 1, 4, 0, 2], "int32");
    const [a, b] = [x, tf.gather(x, order, 1)].map((t) => attention.attend({ proxies: q, tokens: t }));
    expect(farthest(a!.attended!, b!.attended!)).toBeLessThan(1e-5);
    expect(farthest(tf.gather(a!.scores, order, 1), b!.scores)).toBeLessThan(1e-6);
  });

  it.each([false, true])("has the gradients of its inputs and its weights (compatScramble %s)", (compatScramble) => {
    const attention = build({ compatScramble });
    const [q, x] = [random([1, 3, 4], 1), random([2, 5, 4], 2)];
    const probe = ({ scores, attended }: ReturnType<ProxyAttention["attend"]>) => {
      const wave = (t: tf.Tensor) => tf.sum(tf.mul(t, tf.reshape(tf.sin(tf.range(1, t.size + 1)), t.shape)));
      return tf.add(wave(tf.square(scores)), wave(tf.square(attended!))) as tf.Scalar;
    };
    expect(gradientError((a, b) => probe(attention.attend({ proxies: a!, tokens: b! })), [q, x])).toBeLessThan(1e-2);
    for (const variable of attention.variables) {
      const value = tf.clone(variable) as tf.Tensor;
      const { grads } = tf.variableGrads(() => probe(attention.attend({ proxies: q, tokens: x })), [variable]);
      const analytic = Object.values(grads)[0]!.dataSync();
      const at = (i: number, delta: number) => {
        const moved = value.dataSync().slice();
        moved[i]! += delta;
        variable.assign(tf.tensor(moved, value.shape));
        return probe(attention.attend({ proxies: q, tokens: x })).dataSync()[0]!;
      };
      const scale = Math.max(1e-2, ...analytic.map(Math.abs));
      for (const i of [0, value.size - 1])
        expect(Math.abs((at(i, 1e-2) - at(i, -1e-2)) / 2e-2 - analytic[i]!) / scale).toBeLessThan(1e-2);
      variable.assign(value);
    }
  });

  it("without values it has no value and output projections, and gives scores alone", () => {
    const attention = build({ values: false });
    expect([...attention.named.keys()]).toEqual(["query.weight", "query.bias", "key.weight", "key.bias"]);
    expect(attention.attend({ proxies, tokens }).attended).toBeNull();
  });

  it("refuses what does not fit; leaves no tensors", () => {
    expect(() => build({ heads: 3 })).toThrow(OptionError);
    const attention = build();
    expect(() => attention.attend({ proxies, tokens: tf.zeros([2, 3, 5]) })).toThrow(ShapeError);
    expect(() => attention.attend({ proxies: tf.zeros([3, 2, 4]), tokens: tf.zeros([2, 5, 4]) })).toThrow(
      "[1 or 2, K, 4]",
    );
    expect(leakedTensors(() => Object.values(attention.attend({ proxies, tokens })) as tf.Tensor[])).toBe(0);
  });
});
