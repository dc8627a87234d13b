import { FUSED_LINEAR, FUSED_LINEAR_GRAD } from "@semiseg/kernels";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { onNativeEngine, sizeOf, values } from "./helpers/native-engine.js";

onNativeEngine();

/** Greatest difference, relative to the sum of the terms' magnitudes, which is what bounds the error of a float32 sum. */
const worst = (actual: ArrayLike<number>, expected: ArrayLike<number>, magnitudes: ArrayLike<number>): number => {
  expect(actual.length).toBe(expected.length);
  let error = 0;
  for (let i = 0; i < expected.length; i++)
    error = Math.max(error, Math.abs(actual[i]! - expected[i]!) / (magnitudes[i]! + 1e-6));
  return error;
};
/** Sixteen roundings of 6e-8: what sums of blocks of 256 terms are likely to lose. */
const TOLERANCE = 1e-6;

/** The definition in float64: c[n, i, j] = sum_k a[n, i, k] b[n, k, j], each input possibly stored transposed. */
function definition(
  a: Float32Array,
  b: Float32Array,
  [batch, rows, columns, depth]: readonly number[],
  [batchA, batchB]: readonly number[],
  [transposeA, transposeB]: readonly boolean[],
): Float64Array {
  const c = new Float64Array(batch! * rows! * columns!);
  for (let n = 0; n < batch!; n++)
    for (let i = 0; i < rows!; i++)
      for (let j = 0; j < columns!; j++) {
        let sum = 0;
        for (let k = 0; k < depth!; k++) {
          const atA = (batchA === 1 ? 0 : n * rows! * depth!) + (transposeA ? k * rows! + i : i * depth! + k);
          const atB = (batchB === 1 ? 0 : n * depth! * columns!) + (transposeB ? j * depth! + k : k * columns! + j);
          sum += a[atA]! * b[atB]!;
        }
        c[(n * rows! + i) * columns! + j] = sum;
      }
  return c;
}

/** {@link worst} of a product against its definition. */
const off = (actual: ArrayLike<number>, a: Float32Array, b: Float32Array, ...how: Tail): number =>
  worst(actual, definition(a, b, ...how), definition(a.map(Math.abs), b.map(Math.abs), ...how));
type Tail = Parameters<typeof definition> extends [unknown, unknown, ...infer Rest] ? Rest : never;

/** [rows, columns, depth]: every side short and long, below, at and past the width of a vector and a tile. */
const SIDES: readonly (readonly [number, number, number])[] = [
  [1, 1, 1],
  [1, 1, 5000],
  [3, 5, 2],
  [8, 32, 16],
  [9, 33, 17],
  [300, 2, 2],
  [300, 4, 4],
  [517, 1, 2],
  [517, 3, 7],
  [5, 700, 300],
  [2, 2, 3001],
  [4, 8, 4099],
  [5, 6, 2048],
  [33, 31, 2050],
  [1030, 20, 40],
  [20, 1030, 40],
];

describe("matrix products with a short side", () => {
  for (const [transposeA, transposeB] of [
    [false, false],
    [false, true],
    [true, false],
    [true, true],
  ] as const)
    it.each(SIDES)(
      `equal the definition: %i x %i over %i, transposed ${transposeA}, ${transposeB}`,
      (rows, columns, depth) => {
        const [a, b] = [values([rows, depth], 1), values([depth, columns], 2)];
        const [shapeA, shapeB] = [
          transposeA ? [depth, rows] : [rows, depth],
          transposeB ? [columns, depth] : [depth, columns],
        ];
        const c = tf.matMul(tf.tensor(a, shapeA), tf.tensor(b, shapeB), transposeA, transposeB);
        expect(c.shape).toEqual([rows, columns]);
        expect(off(c.dataSync(), a, b, [1, rows, columns, depth], [1, 1], [transposeA, transposeB])).toBeLessThan(
          TOLERANCE,
        );
      },
    );

  for (const [batchA, batchB] of [
    [3, 3],
    [1, 3],
    [3, 1],
  ] as const)
    it.each([
      [8, 300, 20],
      [300, 8, 20],
      [300, 3, 20],
      [4, 4, 3000],
    ])(`of batches ${batchA} and ${batchB}: %i x %i over %i`, (rows, columns, depth) => {
      for (const transposed of [false, true]) {
        const [a, b] = [values([batchA, rows, depth], 3), values([batchB, depth, columns], 4)];
        const shapeA = transposed ? [batchA, depth, rows] : [batchA, rows, depth];
        const shapeB = transposed ? [batchB, columns, depth] : [batchB, depth, columns];
        const c = tf.matMul(tf.tensor(a, shapeA), tf.tensor(b, shapeB), transposed, transposed);
        expect(
          off(c.dataSync(), a, b, [3, rows, columns, depth], [batchA, batchB], [transposed, transposed]),
        ).toBeLessThan(TOLERANCE);
      }
    });

  it("are the same twice, bit for bit, and show numbers that are not finite", () => {
    const [a, b] = [tf.tensor(values([3, 9000], 1), [3, 9000]), tf.tensor(values([9000, 5], 2), [9000, 5])];
    expect(tf.matMul(a, b).dataSync()).toEqual(tf.matMul(a, b).dataSync());
    const broken = values([9000, 5], 2);
    broken[7] = Number.NaN;
    expect([...tf.matMul(a, tf.tensor(broken, [9000, 5])).dataSync()].filter(Number.isNaN)).toHaveLength(3);
  });

  it("leave batches that do not fit to TensorFlow, which says so", () => {
    expect(() => tf.matMul(tf.ones([2, 3, 4]), tf.ones([3, 4, 5]))).toThrow();
  });
});

describe("linear maps", () => {
  it.each([
    [[7, 3], 5],
    [[2, 3, 4, 17], 33],
    [[1, 2000, 2], 1],
    [[5000, 32], 32],
    [[3, 100], 400],
  ] as [number[], number][])("of %j to %i features and their gradients equal the definition", (shape, outputs) => {
    const inputs = shape.at(-1)!;
    const rows = sizeOf(shape) / inputs;
    const [x, w, bias, dy] = [
      values(shape, 1),
      values([outputs, inputs], 2),
      values([outputs], 3),
      values([rows, outputs], 4),
    ];
    const [tx, tw] = [tf.tensor(x, shape), tf.tensor(w, [outputs, inputs])];
    const y = tf.engine().runKernel(FUSED_LINEAR, { x: tx, weight: tw, bias: tf.tensor1d(bias) }) as tf.Tensor;
    expect(y.shape).toEqual([...shape.slice(0, -1), outputs]);
    const ones = new Float32Array(rows).fill(1);
    // The bias is a product with ones: one more term of the sum.
    const withBias = (m: Float32Array, last: Float32Array, n: number): Float32Array =>
      Float32Array.from({ length: n * (inputs + 1) }, (_, i) => {
        const [row, k] = [Math.floor(i / (inputs + 1)), i % (inputs + 1)];
        return k < inputs ? m[row * inputs + k]! : last[row]!;
      });
    const [xOne, wBias] = [withBias(x, ones, rows), withBias(w, bias, outputs)];
    expect(off(y.dataSync(), xOne, wBias, [1, rows, outputs, inputs + 1], [1, 1], [false, true])).toBeLessThan(
      TOLERANCE,
    );
    const [dx, dw, db] = tf
      .engine()
      .runKernel(FUSED_LINEAR_GRAD, { dy: tf.tensor(dy, y.shape), x: tx, weight: tw }) as unknown as tf.Tensor[];
    expect([dx!.shape, dw!.shape, db!.shape]).toEqual([shape, [outputs, inputs], [outputs]]);
    expect(off(dx!.dataSync(), dy, w, [1, rows, inputs, outputs], [1, 1], [false, false])).toBeLessThan(TOLERANCE);
    expect(off(dw!.dataSync(), dy, x, [1, outputs, inputs, rows], [1, 1], [true, false])).toBeLessThan(TOLERANCE);
    expect(off(db!.dataSync(), dy, ones, [1, outputs, 1, rows], [1, 1], [true, false])).toBeLessThan(TOLERANCE);
  });
});
