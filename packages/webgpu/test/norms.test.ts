import "@tensorflow/tfjs";
import { FUSED_NORM, FUSED_NORM_GRAD, hasKernel } from "@semiseg/kernels";
import { batchNorm, groupNorm, instanceNorm, layerNorm } from "@semiseg/nn";
import { initWebgpu, type WebgpuInfo } from "@semiseg/webgpu";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";

let info: WebgpuInfo;
beforeAll(async () => {
  info = await initWebgpu();
});

const values = (shape: readonly number[], seed: number, shift = 0): tf.Tensor =>
  tf.tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => shift + Math.sin(i * 12.9898 + seed)),
    [...shape],
  );

/** Value, gradients of input and affine parameters, and running statistics. */
async function on(
  backend: string,
  shape: readonly number[],
  make: (c: number) => ReturnType<typeof groupNorm>,
  shift: number,
) {
  await tf.setBackend(backend);
  const before = tf.memory().numTensors;
  const layer = make(shape.at(-1)!);
  for (const [name, v] of layer.named) tf.tidy(() => v.assign(tf.add(v, tf.mul(values(v.shape, name.length), 0.3))));
  const x = values(shape, 1, shift);
  const dy = values(shape, 2);
  const trained = layer.variables.filter((v) => v.trainable);
  const { value, grads } = tf.variableGrads(() => {
    const y = layer.apply(x, { training: true, updateBuffers: false });
    return tf.sum(tf.mul(y, dy)) as tf.Scalar;
  }, trained as tf.Variable[]);
  const dx = tf.grad((a: tf.Tensor) => tf.sum(tf.mul(layer.apply(a, { training: true, updateBuffers: false }), dy)))(x);
  const y = layer.apply(x, { training: true });
  const all = [y, dx, ...trained.map((v) => grads[v.name]!), ...layer.variables.filter((v) => !v.trainable)];
  const out: Float32Array[] = [];
  for (const t of all) out.push(Float32Array.from(await t.data()));
  tf.dispose([x, dy, y, dx, value, grads]);
  layer.dispose();
  expect(tf.memory().numTensors).toBe(before);
  return out;
}

describe("fused normalisation equals the cpu backend: values, gradients, running statistics", () => {
  it.each([
    ["batch norm, rank 5", [2, 5, 6, 7, 8], (c: number) => batchNorm({ channels: c }), 0],
    ["batch norm with ReLU, rank 4", [3, 20, 13, 5], (c: number) => batchNorm({ channels: c, relu: true }), 0],
    ["group norm, rank 5", [2, 5, 6, 7, 8], (c: number) => groupNorm({ channels: c, groups: 4 }), 0],
    ["group norm with ReLU", [2, 16, 16, 16, 12], (c: number) => groupNorm({ channels: c, groups: 3, relu: true }), 0],
    ["instance norm", [2, 7, 5, 6, 3], (c: number) => instanceNorm({ channels: c, affine: true }), 0],
    ["layer norm of rows", [6, 33], (c: number) => layerNorm({ channels: c }), 0],
    // Sums of squares would lose all of the variance here.
    ["values far from 0", [1, 24, 24, 24, 4], (c: number) => groupNorm({ channels: c, groups: 2 }), 300],
  ] as const)("%s", async (_, shape, make, shift) => {
    const expected = await on("cpu", shape, make as never, shift);
    const received = await on("webgpu", shape, make as never, shift);
    expect(hasKernel(FUSED_NORM) && hasKernel(FUSED_NORM_GRAD)).toBe(true);
    await info.guard.flush();
    expect(received.length).toBe(expected.length);
    for (const [k, want] of expected.entries()) {
      const scale = Math.max(1, ...want.map(Math.abs));
      const worst = want.reduce((most, v, i) => Math.max(most, Math.abs(received[k]![i]! - v)), 0);
      expect(worst / scale, `output ${k}`).toBeLessThan(shift ? 2e-4 : 2e-5);
    }
  });
});
