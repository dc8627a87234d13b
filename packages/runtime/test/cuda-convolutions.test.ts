import { conv, RandomStream, transposedConv } from "@semiseg/nn";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, describe, expect, it } from "vitest";
import { convolveIn, type HalfPrecision } from "../src/engine/cuda/convolutions.js";
import { onNativeEngine, values } from "./helpers/native-engine.js";

// The operators are the same on a GPU; here TensorFlow's kernels for the CPU compute them.
onNativeEngine();
afterEach(() => convolveIn(null));

type Two = (x: tf.Tensor, filter: tf.Tensor) => tf.Tensor;
const conv2 =
  (strides: number, pad: "same" | "valid"): Two =>
  (x, f) =>
    tf.conv2d(x as tf.Tensor4D, f as tf.Tensor4D, strides, pad);
const conv3 =
  (strides: number | [number, number, number], pad: "same" | "valid"): Two =>
  (x, f) =>
    tf.conv3d(x as tf.Tensor5D, f as tf.Tensor5D, strides, pad);

const CASES: readonly (readonly [string, readonly number[], readonly number[], Two])[] = [
  ["2-D 3x3, same", [2, 9, 7, 5], [3, 3, 5, 6], conv2(1, "same")],
  ["2-D 3x3, stride 2", [1, 8, 9, 3], [3, 3, 3, 4], conv2(2, "same")],
  ["3-D 3x3x3, same", [2, 5, 6, 7, 4], [3, 3, 3, 4, 8], conv3(1, "same")],
  ["3-D 3x3x3, valid", [1, 5, 6, 7, 5], [3, 3, 3, 5, 3], conv3(1, "valid")],
  ["3-D 2x2x2, stride 2", [2, 4, 6, 8, 8], [2, 2, 2, 8, 16], conv3(2, "valid")],
  ["3-D 1x1x1", [2, 4, 3, 5, 16], [1, 1, 1, 16, 2], conv3(1, "same")],
  ["3-D 3x3x1, strides 1 2 1", [1, 4, 6, 3, 4], [3, 3, 1, 4, 4], conv3([1, 2, 1], "same")],
];
const NAMES = ["value", "input gradient", "filter gradient"];

/** Value and gradients; the loss weighs the value's numbers. `factors` multiply input, filter and weights. */
function results(
  [, xs, fs, run]: (typeof CASES)[number],
  factors: readonly number[] = [1, 1, 1],
  change: (v: number) => number = (v) => v,
): Float32Array[] {
  return tf.tidy(() => {
    const make = (shape: readonly number[], seed: number) =>
      tf.tensor(
        values(shape, seed).map((v) => change(v) * factors[seed]!),
        [...shape],
      );
    const [x, f] = [make(xs, 0), make(fs, 1)];
    const y = run(x, f);
    const weights = make(y.shape, 2);
    const gradients = tf.grads((a: tf.Tensor, b: tf.Tensor) => tf.sum(tf.mul(run(a, b), weights)))([x, f]);
    return [y, ...gradients].map((t) => Float32Array.from(t.dataSync()));
  });
}

/**
 * What rounding can do: both operands and the result, each to the nearest of so many bits, where the operators' own sums
 * round too.
 */
const ROUNDING: Record<HalfPrecision, number> = { float16: 4 * 2 ** -11, bfloat16: 4 * 2 ** -8 };
const BOTH = ["float16", "bfloat16"] as const;

describe.each(BOTH)("convolutions in %s", (precision) => {
  it.each(CASES)("stay within the rounding of the sums of magnitudes, gradients too: %s", (...args) => {
    const expected = results(args);
    const bounds = results(args, [1, 1, 1], Math.abs);
    convolveIn(precision);
    const received = results(args);
    for (const [i, want] of expected.entries()) {
      let [worst, differs] = [0, 0];
      for (const [k, v] of want.entries()) {
        const error = Math.abs(received[i]![k]! - v);
        worst = Math.max(worst, error / bounds[i]![k]!);
        if (error > 1e-5 * bounds[i]![k]!) differs++;
      }
      expect(received[i]!.length).toBe(want.length);
      expect(worst, NAMES[i]).toBeLessThan(ROUNDING[precision]);
      // Otherwise it was not 16 bits that ran.
      expect(differs, NAMES[i]).toBeGreaterThan(0);
    }
    convolveIn(null);
    expect(results(args)).toEqual(expected);
  });

  it.each([
    [1, 1, 2 ** -40],
    [2 ** 30, 1, 2 ** -30],
    [2 ** -30, 1, 2 ** 50],
  ])("change nothing but the exponent for inputs and gradients of other magnitudes: %d, %d, %d", (...factors) => {
    convolveIn(precision);
    for (const args of [CASES[0]!, CASES[2]!]) {
      const [value, dx, df] = results(args);
      const [other, otherX, otherF] = results(args, factors);
      expect(other).toEqual(value!.map((v) => v * factors[0]!));
      expect(otherX).toEqual(dx!.map((v) => v * factors[2]!));
      expect(otherF).toEqual(df!.map((v) => v * factors[0]! * factors[2]!));
    }
  });

  it("sum beyond the largest float16, over many voxels and channels", () => {
    convolveIn(precision);
    tf.tidy(() => {
      const x = tf.fill([1, 32, 32, 32, 8], 6) as tf.Tensor5D;
      const f = tf.fill([1, 1, 1, 8, 2], 5000) as tf.Tensor5D;
      const loss = (a: tf.Tensor, b: tf.Tensor) =>
        tf.sum(tf.mul(tf.conv3d(a as tf.Tensor5D, b as tf.Tensor5D, 1, "same"), 7));
      const [dx, df] = tf.grads(loss)([x, f]);
      for (const [result, sum] of [
        [tf.conv3d(x, f, 1, "same"), 8 * 6 * 5000],
        [dx!, 2 * 5000 * 7],
        [df!, 32 ** 3 * 6 * 7],
      ] as const)
        expect(Math.abs(result.dataSync()[0]! / sum - 1)).toBeLessThan(ROUNDING[precision]);
    });
  });

  it("leave zeros zero and show what is not finite", () => {
    convolveIn(precision);
    for (const result of results(CASES[2]!, [0, 1, 1])) expect(result.every(Number.isFinite)).toBe(true);
    expect(results(CASES[2]!, [0, 1, 1])[0]!.every((v) => v === 0)).toBe(true);
    expect(results(CASES[2]!, [1, 1, 0])[2]!.every((v) => v === 0)).toBe(true);
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      let count = 0;
      const [value, , df] = results(CASES[2]!, [1, 1, 1], (v) => (count++ === 100 ? bad : v));
      expect(value!.every(Number.isFinite)).toBe(false);
      expect(df!.every(Number.isFinite)).toBe(false);
    }
  });

  it("train a small network over 20 steps with losses close to those of float32, and leave no tensor behind", () => {
    const tensors = () => (tf.backend() as unknown as { getNumOfTFTensors(): number }).getNumOfTFTensors();
    const train = (type: HalfPrecision | null): number[] => {
      convolveIn(type);
      const random = new RandomStream(3);
      const options = { spatialDims: 3 as const, random };
      const first = conv({ ...options, inChannels: 1, outChannels: 4, kernelSize: 3 });
      const down = conv({ ...options, inChannels: 4, outChannels: 8, kernelSize: 2, strides: 2, padding: "valid" });
      const up = transposedConv({ ...options, inChannels: 8, outChannels: 4, kernelSize: 2, strides: 2 });
      const last = conv({ ...options, inChannels: 8, outChannels: 2, kernelSize: 3 });
      const layers = [first, down, up, last];
      const weights = layers.flatMap((layer) => [...layer.variables]);
      const image = tf.tensor5d(values([1, 12, 12, 12, 1], 1), [1, 12, 12, 12, 1]);
      const target = tf.tidy(() => tf.cast(tf.concat([tf.greater(image, 0), tf.lessEqual(image, 0)], 4), "float32"));
      const losses: number[] = [];
      const counts: number[] = [];
      for (let step = 0; step < 20; step++)
        tf.tidy(() => {
          const { value, grads } = tf.variableGrads(() => {
            const full = tf.relu(first.apply(image));
            const logits = last.apply(tf.concat([full, up.apply(tf.relu(down.apply(full)))], 4));
            return tf.neg(tf.mean(tf.mul(tf.logSoftmax(logits), target))) as tf.Scalar;
          }, weights);
          for (const v of weights) v.assign(tf.sub(v, tf.mul(grads[v.name]!, 0.5)));
          losses.push(value.dataSync()[0]!);
          counts.push(tensors());
        });
      for (const layer of layers) layer.dispose();
      tf.dispose([image, target]);
      // The first step makes the constants.
      expect(new Set(counts.slice(1)).size).toBe(1);
      return losses;
    };
    const [float, own] = [train(null), train(precision)];
    expect(float[19]!).toBeLessThan(0.7 * float[0]!);
    const most = precision === "float16" ? 0.001 : 0.01;
    for (const [step, loss] of float.entries())
      expect(Math.abs(own[step]! / loss - 1), `step ${step}`).toBeLessThan(most);
    expect(own).not.toEqual(float);
  });
});
