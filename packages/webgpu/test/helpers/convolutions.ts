import * as tf from "@tensorflow/tfjs-core";
import { expect } from "vitest";

/** Fixed values in [-1, 1]. */
export const values = (shape: readonly number[], seed: number): Float32Array =>
  Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i * 12.9898 + seed * 78.233));

export type Run = (x: tf.Tensor5D, w: tf.Tensor5D) => tf.Tensor;

export const conv =
  (strides: number | [number, number, number], pad: "same" | "valid"): Run =>
  (x, w) =>
    tf.conv3d(x, w, strides, pad);

export const transposed =
  (out: readonly number[], strides: number, pad: "same" | "valid"): Run =>
  (x, w) =>
    tf.conv3dTranspose(x, w, out as unknown as [number, number, number, number, number], strides, pad);

/**
 * Value, input gradient and filter gradient on one engine; the loss weighs the outputs with fixed values times `weight`.
 *
 * @param change - of the fixed values of both inputs and of the weights, by index of the array.
 */
export async function on(
  backend: string,
  x: readonly number[],
  filter: readonly number[],
  run: Run,
  change: (array: Float32Array, index: number) => Float32Array = (array) => array,
): Promise<Float32Array[]> {
  await tf.setBackend(backend);
  const before = tf.memory().numTensors;
  const inputs = [tf.tensor(change(values(x, 1), 0), [...x]), tf.tensor(change(values(filter, 2), 1), [...filter])];
  const f = (a: tf.Tensor, b: tf.Tensor) => run(a as tf.Tensor5D, b as tf.Tensor5D);
  const y = f(inputs[0]!, inputs[1]!);
  const weights = tf.tensor(change(values(y.shape, 3), 2), y.shape);
  const gradients = tf.grads((a: tf.Tensor, b: tf.Tensor) => tf.sum(tf.mul(f(a, b), weights)))(inputs);
  const out: Float32Array[] = [];
  for (const t of [y, ...gradients]) out.push(Float32Array.from(await t.data()));
  tf.dispose([...inputs, y, weights, ...gradients]);
  expect(tf.memory().numTensors).toBe(before);
  return out;
}

export const NAMES = ["value", "input gradient", "filter gradient"];

/** Expects every output within `tolerance` of the largest expected value or 1. */
export function expectClose(received: readonly Float32Array[], expected: readonly Float32Array[], tolerance: number) {
  for (const [i, want] of expected.entries()) {
    const scale = Math.max(1, ...want.map(Math.abs));
    let worst = 0;
    // Math.max gives NaN where an error is NaN, and NaN is within no bound.
    for (const [k, v] of want.entries()) worst = Math.max(worst, Math.abs(received[i]![k]! - v));
    expect(received[i]!.length).toBe(want.length);
    expect(worst / scale, NAMES[i]).toBeLessThan(tolerance);
  }
}
