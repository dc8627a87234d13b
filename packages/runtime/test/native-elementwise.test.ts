import { FUSED_CORRELATION_ROWS, FUSED_SOFT_TARGET } from "@semiseg/kernels";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { broadcastPattern } from "../src/engine/native/elementwise.js";
import { onNativeEngine, sizeOf, values } from "./helpers/native-engine.js";

onNativeEngine();

/** Index in `small` of element `i` of `full`, by the definition of broadcasting. */
function smallIndex(full: readonly number[], small: readonly number[], i: number): number {
  let [index, stride, rest] = [0, 1, i];
  for (let axis = full.length - 1; axis >= 0; axis--) {
    const at = rest % full[axis]!;
    rest = Math.floor(rest / full[axis]!);
    const n = small[axis - (full.length - small.length)] ?? 1;
    if (n !== 1) index += at * stride;
    stride *= n;
  }
  return index;
}

const OPERATIONS: readonly [string, (a: tf.Tensor, b: tf.Tensor) => tf.Tensor, (a: number, b: number) => number][] = [
  ["add", tf.add, (a, b) => a + b],
  ["sub", tf.sub, (a, b) => a - b],
  ["mul", tf.mul, (a, b) => a * b],
  ["div", tf.div, (a, b) => a / b],
];

const SHAPES: readonly (readonly [string, readonly number[], readonly number[], object | null])[] = [
  ["the same shape", [3, 7, 11, 37], [3, 7, 11, 37], { mid: 1, inner: 8547 }],
  ["a scalar", [9, 1000], [], { mid: 9000, inner: 1 }],
  ["one value per row of 2", [4001, 2], [4001, 1], { mid: 2, inner: 1 }],
  ["one value per row of 3", [5, 7, 123, 3], [5, 7, 123, 1], { mid: 3, inner: 1 }],
  ["one value per row of 4", [2000, 4], [2000, 1], { mid: 4, inner: 1 }],
  ["one value per long row", [3, 5000], [3, 1], { mid: 5000, inner: 1 }],
  ["a vector of 3 channels", [2, 9, 10, 31, 3], [3], { mid: 5580, inner: 3 }],
  ["a vector of 8 channels", [2, 8, 10, 32, 8], [8], { mid: 5120, inner: 8 }],
  ["a vector of 21 channels", [2, 9, 13, 21], [1, 1, 1, 21], { mid: 234, inner: 21 }],
  ["channels of each sample", [3, 4, 5, 18, 16], [3, 1, 1, 1, 16], { mid: 360, inner: 16 }],
  ["one value per sample", [5, 9, 10, 11, 1], [5, 1, 1, 1, 1], { mid: 990, inner: 1 }],
  ["two separate places", [6, 10, 10, 10], [6, 1, 10, 1], null],
];

describe("elementwise arithmetic", () => {
  it.each(SHAPES)("finds how %s meets the full tensor", (_, full, small, pattern) => {
    expect(broadcastPattern(full, small)).toEqual(pattern);
  });

  it("leaves shapes that do not broadcast to the full one to TensorFlow", () => {
    expect(broadcastPattern([4, 5], [4])).toBeNull();
    expect(broadcastPattern([5], [1, 5])).toBeNull();
    expect(() => tf.add(tf.ones([100, 50]), tf.ones([100]))).toThrow();
    // Each has an axis that the other lacks: neither is the full one.
    expect(tf.add(tf.ones([100, 1]), tf.ones([1, 90])).shape).toEqual([100, 90]);
  });

  for (const [name, operation, definition] of OPERATIONS)
    it.each(SHAPES)(`${name}: equals float32 arithmetic exactly, both ways round, with %s`, (_, full, small) => {
      const [a, b] = [values(full, 1), values(small, 2)];
      const [ta, tb] = [tf.tensor(a, [...full]), tf.tensor(b, [...small])];
      const [there, back] = [operation(ta, tb).dataSync(), operation(tb, ta).dataSync()];
      let wrong = 0;
      for (let i = 0; i < a.length; i++) {
        const other = b[smallIndex(full, small, i)]!;
        if (there[i] !== Math.fround(definition(a[i]!, other))) wrong++;
        if (back[i] !== Math.fround(definition(other, a[i]!))) wrong++;
      }
      expect(wrong).toBe(0);
    });

  it("keeps the result's shape when the smaller rank comes first", () => {
    expect(tf.mul(tf.ones([8]), tf.ones([2, 600, 8])).shape).toEqual([2, 600, 8]);
    expect(tf.mul(tf.ones([5000]), tf.ones([1, 5000])).shape).toEqual([1, 5000]);
  });
});

describe("reshape", () => {
  it("keeps the numbers, to and from a scalar, of any type and with nothing in it", () => {
    const x = values([6, 4], 1);
    const t = tf.tensor(x, [6, 4]);
    for (const shape of [[24], [2, 3, 4], [1, 24, 1], [3, -1]]) {
      const y = tf.reshape(t, shape);
      expect(y.size).toBe(24);
      expect(y.dataSync()).toEqual(x);
    }
    expect(tf.reshape(tf.scalar(3), [1, 1]).arraySync()).toEqual([[3]]);
    expect(tf.reshape(tf.tensor1d([3]), []).dataSync()[0]).toBe(3);
    expect(tf.reshape(tf.tensor1d([1, 2], "int32"), [2, 1]).dtype).toBe("int32");
    expect(tf.reshape(tf.zeros([0, 3]), [3, 0]).shape).toEqual([3, 0]);
    expect(() => tf.reshape(t, [5, 5])).toThrow();
  });

  it("outlives what it was made of", () => {
    const t = tf.tensor(values([6, 4], 1), [6, 4]);
    const y = tf.reshape(t, [24]);
    t.dispose();
    expect(y.dataSync()).toEqual(values([6, 4], 1));
  });
});

describe("sums", () => {
  const CASES: readonly (readonly [readonly number[], readonly number[]])[] = [
    [[4, 9, 10, 31, 3], [4]],
    [[300, 700], [1]],
    [[300, 701], [0]],
    [
      [2, 9, 10, 31, 3],
      [0, 1, 2, 3],
    ],
    [
      [2, 9, 10, 32, 8],
      [0, 1, 2, 3],
    ],
    [
      [3, 5, 7, 100],
      [2, 3],
    ],
    [
      [3, 50, 70],
      [0, 1, 2],
    ],
    [[6, 10, 200], [1]],
    [[2, 3000, 3], [1]],
    [
      [2, 3, 50, 60, 16],
      [2, 3],
    ],
    [
      [3, 4, 5, 6],
      [0, 2],
    ],
    [[40, 5, 7], [1]],
    [[5, 3], [0]],
    [[5, 3], [1]],
    [[7], [0]],
  ];
  it.each(CASES)("of %o over axes %o", (shape, axes) => {
    const x = values(shape, 3);
    const t = tf.tensor(x, [...shape]);
    const kept = shape.map((n, axis) => (axes.includes(axis) ? 1 : n));
    const [expected, sizes] = [new Float64Array(sizeOf(kept)), new Float64Array(sizeOf(kept))];
    for (let i = 0; i < x.length; i++) {
      const at = smallIndex(shape, kept, i);
      expected[at]! += x[i]!;
      sizes[at]! += Math.abs(x[i]!);
    }
    const kept1 = tf.sum(t, [...axes], true);
    const dropped = tf.sum(t, [...axes]);
    expect(kept1.shape).toEqual(kept);
    expect(dropped.shape).toEqual(shape.filter((_, axis) => !axes.includes(axis)));
    const got = dropped.dataSync();
    expect(kept1.dataSync()).toEqual(got);
    for (let i = 0; i < expected.length; i++)
      expect(Math.abs(got[i]! - expected[i]!)).toBeLessThan(3e-7 * sizes[i]! + 1e-7);
  });
});

describe("gradients of sums and means", () => {
  it.each([
    [[2, 30, 3], [1], true],
    [[2, 30, 3], [1], false],
    [[4, 5, 1500], [0, 1], false],
    [[4, 5, 6], [0, 1, 2], false],
    [[4, 5, 6], [2], true],
    [[4, 5, 6], [], false],
  ] as [number[], number[], boolean][])("of %j over %j, axes kept: %s, repeat what comes back", (shape, axes, keep) => {
    const over = axes.length > 0 ? axes : undefined;
    const x = tf.tensor(values(shape, 1), shape);
    const sums = tf.sum(x, over, keep);
    const dy = tf.tensor(values(sums.shape, 2), sums.shape);
    const all = axes.length > 0 ? axes : shape.map((_, i) => i);
    const kept = shape.map((n, i) => (all.includes(i) ? 1 : n));
    const g = dy.dataSync();
    const count = sizeOf(shape) / sizeOf(kept);
    const sum = tf.grad((t: tf.Tensor) => tf.sum(t, over, keep))(x, dy);
    const mean = tf.grad((t: tf.Tensor) => tf.mean(t, over, keep))(x, dy);
    expect([sum.shape, mean.shape]).toEqual([shape, shape]);
    const expected = Float32Array.from({ length: sizeOf(shape) }, (_, i) => g[smallIndex(shape, kept, i)]!);
    expect(sum.dataSync()).toEqual(expected);
    for (const [i, v] of mean.dataSync().entries()) expect(v).toBeCloseTo(expected[i]! / count, 6);
  });
});

describe("repetition along axes of size 1", () => {
  it.each([
    [
      [1, 4],
      [2000, 1],
    ],
    [
      [3, 1, 5],
      [1, 700, 1],
    ],
    [
      [2, 1, 1, 3],
      [1, 30, 40, 1],
    ],
    [
      [7, 1],
      [1, 9],
    ],
    [
      [2, 3],
      [2, 2],
    ],
    [
      [1, 5, 1],
      [4, 1, 6],
    ],
  ] as [number[], number[]][])("%j by %j", (shape, reps) => {
    const x = values(shape, 1);
    const y = tf.tile(tf.tensor(x, shape), reps);
    const full = shape.map((n, i) => n * reps[i]!);
    expect(y.shape).toEqual(full);
    const expected = Float32Array.from({ length: sizeOf(full) }, (_, i) => {
      let [index, stride, rest] = [0, 1, i];
      for (let axis = full.length - 1; axis >= 0; axis--) {
        index += ((rest % full[axis]!) % shape[axis]!) * stride;
        rest = Math.floor(rest / full[axis]!);
        stride *= shape[axis]!;
      }
      return x[index]!;
    });
    expect(y.dataSync()).toEqual(expected);
  });
});

describe("softmax", () => {
  const softmax64 = (z: ArrayLike<number>): number[] => {
    const most = Math.max(...Array.from(z));
    const e = Array.from(z, (v) => Math.exp(v - most));
    const total = e.reduce((a, b) => a + b, 0);
    return e.map((v) => v / total);
  };
  it.each([
    [3000, 2],
    [3001, 3],
    [700, 16],
    [100, 64],
    [90, 65],
    [13, 1960],
  ])("of %i rows of %i", (rows, channels) => {
    const z = values([rows, channels], 4).map((v) => 12 * v);
    const y = tf.softmax(tf.tensor2d(z, [rows, channels])).dataSync();
    let worst = 0;
    for (let r = 0; r < rows; r++) {
      const expected = softmax64(z.subarray(r * channels, (r + 1) * channels));
      for (let c = 0; c < channels; c++)
        worst = Math.max(worst, Math.abs(y[r * channels + c]! - expected[c]!) / (expected[c]! + 1e-12));
    }
    // Rounding of z - max alone may be 4e-6 of exp's argument here.
    expect(worst).toBeLessThan(6e-6);
  });

  it("gives nothing to a masked place, halves to a tie, and NaN where a logit is NaN", () => {
    const z = new Float32Array(3000 * 3);
    z.set([0, 0, Number.NEGATIVE_INFINITY, 5, Number.NaN, 1]);
    const y = tf.softmax(tf.tensor2d(z, [3000, 3])).dataSync();
    expect([y[0], y[1]]).toEqual([0.5, 0.5]);
    expect(y[2]).toBeLessThan(1e-37);
    expect(y[4]).toBeNaN();
    const wide = tf
      .softmax(
        tf.tensor2d(
          Float32Array.from({ length: 100 * 80 }, (_, i) => (i === 7 ? Number.NaN : 0)),
          [100, 80],
        ),
      )
      .dataSync();
    expect(wide[7]).toBeNaN();
    expect(wide[80]).toBeCloseTo(1 / 80, 7);
  });
});

describe("correlation rows", () => {
  it.each([
    [9, 5, 3],
    [40, 530, 25],
    [3, 1000, 60],
  ])("of %i by %i logits up to %i: losses and gradients equal the definition in float64", (rows, columns, size) => {
    const [zV, zA] = [5, 6].map((seed) => values([rows, columns], seed).map((v) => (size / 2.5) * v)) as [
      Float32Array,
      Float32Array,
    ];
    const inputs = { zV: tf.tensor2d(zV, [rows, columns]), zA: tf.tensor2d(zA, [rows, columns]) };
    const out = tf.engine().runKernel(FUSED_CORRELATION_ROWS, inputs) as unknown as tf.Tensor[];
    const [loss, gV, gA] = out.map((t) => t.dataSync()) as [Float32Array, Float32Array, Float32Array];
    const softmax = (z: Float32Array): number[] => {
      const most = Math.max(...z);
      const e = Array.from(z, (x) => Math.exp(x - most));
      const total = e.reduce((p, q) => p + q, 0);
      return e.map((x) => x / total);
    };
    let worst = 0;
    for (let r = 0; r < rows; r++) {
      const [v, a] = [zV, zA].map((z) => softmax(z.subarray(r * columns, (r + 1) * columns))) as [number[], number[]];
      const entropy = a.reduce((sum, own, j) => sum + own * Math.log(v[j]! + 1e-8), 0);
      const shares = a.reduce((sum, own, j) => sum + (own * v[j]!) / (v[j]! + 1e-8), 0);
      expect(Math.abs(loss[r]! - entropy)).toBeLessThan(2e-5 * Math.max(1, Math.abs(entropy)));
      for (let j = 0; j < columns; j++) {
        const s = v[j]! + 1e-8;
        worst = Math.max(worst, Math.abs(gV[r * columns + j]! - v[j]! * (shares - a[j]! / s)));
        worst = Math.max(worst, Math.abs(gA[r * columns + j]! - a[j]! * (entropy - Math.log(s))));
      }
    }
    // Logits of up to 60 in float32: exp alone may be off by 4e-6.
    expect(worst).toBeLessThan(5e-5);
  });
});

describe("the loss of masked soft targets", () => {
  /** The definition in float64. */
  const definition = (
    z: ArrayLike<number>,
    t: ArrayLike<number>,
    m: ArrayLike<number> | null,
    classes: number,
    background: boolean,
  ): number => {
    const rows = z.length / classes;
    let [count, entropy] = [0, 0];
    const sums = Array.from({ length: classes }, () => [0, 0, 0]);
    for (let v = 0; v < rows; v++) {
      const weight = m ? m[v]! : 1;
      const row = Array.from({ length: classes }, (_, c) => z[v * classes + c]!);
      const most = Math.max(...row);
      const total = row.reduce((a, x) => a + Math.exp(x - most), 0);
      count += weight;
      for (let c = 0; c < classes; c++) {
        const p = Math.exp(row[c]! - most) / total;
        const target = t[v * classes + c]!;
        entropy -= weight * target * Math.log(p);
        sums[c]![0]! += weight * p * target;
        sums[c]![1]! += weight * p;
        sums[c]![2]! += weight * target;
      }
    }
    const dice = sums.slice(background ? 0 : 1).map(([both, p, own]) => 1 - (2 * both! + 1e-8) / (p! + own! + 1e-8));
    return 0.5 * ((0.7 * entropy) / Math.max(1, count) + dice.reduce((a, b) => a + b, 0) / dice.length);
  };

  it.each([
    [2, 700, true, false],
    [3, 517, false, true],
    [5, 1000, true, true],
    [4, 3, true, false],
  ])(
    "of %i classes and %i voxels equals the definition, and so does its gradient; masked: %s, with the background: %s",
    (classes, rows, masked, background) => {
      const z = values([rows, classes], 3);
      const t = values([rows, classes], 4).map(Math.abs);
      for (let v = 0; v < rows; v++) {
        let total = 0;
        for (let c = 0; c < classes; c++) total += t[v * classes + c]!;
        for (let c = 0; c < classes; c++) t[v * classes + c]! /= total;
      }
      const m = masked ? Float32Array.from({ length: rows }, (_, v) => (v % 3 === 0 ? 0 : 1)) : null;
      const [logits, target] = [tf.tensor2d(z, [rows, classes]), tf.tensor2d(t, [rows, classes])];
      const [loss, slope] = tf
        .engine()
        .runKernel(
          FUSED_SOFT_TARGET,
          { logits, target, ...(m ? { mask: tf.tensor1d(m) } : {}) },
          { crossEntropy: 0.35, dice: 0.5, background, smooth: 1e-8 },
        ) as unknown as tf.Tensor[];
      expect(loss!.dataSync()[0]).toBeCloseTo(definition(z, t, m, classes, background), 5);
      const actual = slope!.dataSync();
      const exact = Float64Array.from(z);
      for (let i = 0; i < Math.min(60, z.length); i++) {
        const at = (x: number) => definition(exact.with(i, exact[i]! + x), t, m, classes, background);
        const numeric = (at(1e-4) - at(-1e-4)) / 2e-4;
        expect(Math.abs(actual[i]! - numeric)).toBeLessThan(2e-6);
      }
    },
  );
});
