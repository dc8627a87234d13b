import { FUSED_RESIZE, FUSED_RESIZE_GRAD, type FusedResizeAttrs } from "@semiseg/kernels";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { areaWeights } from "../../nn/src/ops/resize-area.js";
import { linearWeights } from "../../nn/src/ops/resize-linear.js";
import { onNativeEngine, sizeOf, values } from "./helpers/native-engine.js";

onNativeEngine();

const RULES = {
  linear: (out: number, input: number) => linearWeights(out, input, false),
  aligned: (out: number, input: number) => linearWeights(out, input, true),
  area: areaWeights,
} as const;

/** One axis after the other by the full matrix of its weights, in float64. */
function definition(
  x: ArrayLike<number>,
  shape: readonly number[],
  target: readonly number[],
  weights: (out: number, input: number) => Float32Array,
): Float64Array {
  let [from, sizes] = [Float64Array.from(x), [...shape]];
  for (let axis = 1; axis < shape.length - 1; axis++) {
    const [out, input] = [target[axis]!, sizes[axis]!];
    if (out === input) continue;
    const matrix = weights(out, input);
    const [before, after] = [sizeOf(sizes.slice(0, axis)), sizeOf(sizes.slice(axis + 1))];
    const to = new Float64Array(before * out * after);
    for (let b = 0; b < before; b++)
      for (let i = 0; i < out; i++)
        for (let k = 0; k < input; k++)
          for (let a = 0; a < after; a++)
            to[(b * out + i) * after + a]! += matrix[i * input + k]! * from[(b * input + k) * after + a]!;
    [from, sizes] = [to, sizes.map((n, i) => (i === axis ? out : n))];
  }
  return from;
}

const run = (kernel: string, inputs: Record<string, tf.Tensor>, attrs: FusedResizeAttrs): tf.Tensor =>
  tf.engine().runKernel(kernel, inputs, { ...attrs } as unknown as tf.NamedAttrMap) as tf.Tensor;

const CASES: readonly (readonly [number[], number[]])[] = [
  [
    [2, 4, 5, 3],
    [8, 10],
  ],
  [
    [1, 7, 9, 1],
    [4, 4],
  ],
  [
    [2, 3, 4, 5, 4],
    [6, 8, 10],
  ],
  [
    [1, 3, 1, 5, 2],
    [3, 4, 10],
  ],
  [
    [2, 6, 7, 8, 40],
    [5, 7, 3],
  ],
  [
    [1, 2, 3, 4, 8],
    [16, 3, 4],
  ],
];

describe("resizing", () => {
  for (const rule of ["linear", "aligned", "area"] as const)
    it.each(CASES)(
      `${rule}: %j to %j equals the weights' definition, and its gradient is the adjoint`,
      (shape, size) => {
        const target = [shape[0]!, ...size, shape.at(-1)!];
        const [x, dy] = [values(shape, 1), values(target, 2)];
        const y = run(FUSED_RESIZE, { x: tf.tensor(x, shape) }, { shape: target, rule });
        expect(y.shape).toEqual(target);
        const expected = definition(x, shape, target, RULES[rule]);
        const actual = y.dataSync();
        for (let i = 0; i < expected.length; i++) expect(Math.abs(actual[i]! - expected[i]!)).toBeLessThan(2e-6);
        // <resize(x), dy> = <x, gradient(dy)> for every basis vector of x: the gradient itself.
        const dx = run(FUSED_RESIZE_GRAD, { dy: tf.tensor(dy, target) }, { shape, rule }).dataSync();
        const transposed = (out: number, input: number): Float32Array => {
          const forward = RULES[rule](input, out);
          return Float32Array.from(
            { length: out * input },
            (_, i) => forward[(i % input) * out + Math.floor(i / input)]!,
          );
        };
        const adjoint = definition(dy, target, shape, transposed);
        const scale = Math.max(1, ...adjoint.map(Math.abs));
        for (let i = 0; i < adjoint.length; i++) expect(Math.abs(dx[i]! - adjoint[i]!) / scale).toBeLessThan(2e-6);
      },
    );
});

/** Maxima and the place of the first of each window, by the definition. */
function pooled(x: Float32Array, shape: readonly number[], window: readonly number[]) {
  const [n, d, h, w, c] = shape as [number, number, number, number, number];
  const [wd, wh, ww] = window as [number, number, number];
  const places: number[] = [];
  for (let b = 0; b < n; b++)
    for (let z = 0; z < d; z += wd)
      for (let r = 0; r < h; r += wh)
        for (let q = 0; q < w; q += ww)
          for (let ch = 0; ch < c; ch++) {
            let place = -1;
            for (let i = 0; i < wd; i++)
              for (let j = 0; j < wh; j++)
                for (let k = 0; k < ww; k++) {
                  const at = (((b * d + z + i) * h + r + j) * w + q + k) * c + ch;
                  if (place < 0 || x[at]! > x[place]!) place = at;
                }
            places.push(place);
          }
  return { y: places.map((at) => x[at]!), places };
}

/** Checks pooling by `window` and its gradient against the definition on numbers of few levels: every window has ties. */
function checkPooling(shape: readonly number[], window: readonly number[], pool: (x: tf.Tensor) => tf.Tensor): void {
  const x = values(shape, 1).map((v) => Math.round(2 * v));
  const volume = shape.length === 5 ? shape : [shape[0]!, 1, ...shape.slice(1)];
  const { y, places } = pooled(x, volume, window);
  const input: tf.Tensor = tf.tensor(x, [...shape]);
  const output = pool(input);
  expect([...output.dataSync()]).toEqual(y);
  const dy = values(output.shape, 2);
  const expected = new Float32Array(x.length);
  for (const [i, place] of places.entries()) expected[place] = dy[i]!;
  expect(tf.grad(pool)(input, tf.tensor(dy, output.shape)).dataSync()).toEqual(expected);
}

describe("maximum pooling of windows that tile the volume", () => {
  it.each([
    [[2, 4, 6, 8, 3], 2],
    [[1, 2, 2, 4, 40], 2],
    [[1, 9, 3, 6, 16], 3],
  ] as [number[], number][])("%j by %i equals the definition; ties go to the first", (shape, n) => {
    checkPooling(shape, [n, n, n], (x) => tf.maxPool3d(x as tf.Tensor5D, n, n, "same"));
  });

  it("in 2-D equals the definition", () => {
    checkPooling([3, 6, 10, 16], [1, 2, 2], (x) => tf.maxPool(x as tf.Tensor4D, 2, 2, "same"));
  });

  it("leaves windows that overlap or do not tile to TensorFlow", () => {
    const x = tf.tensor(values([1, 5, 5, 3], 1), [1, 5, 5, 3]) as tf.Tensor4D;
    expect(tf.maxPool(x, 2, 2, "same").shape).toEqual([1, 3, 3, 3]);
    expect(tf.maxPool(x, 3, 1, "same").shape).toEqual([1, 5, 5, 3]);
  });
});
