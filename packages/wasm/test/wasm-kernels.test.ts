import "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { registerWasmKernels } from "@semiseg/wasm";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";

beforeAll(async () => {
  const { relaxed } = await registerWasmKernels();
  console.log(`relaxed SIMD: ${relaxed}`);
  await tf.setBackend("wasm");
  await tf.ready();
});

const values = (shape: number[], seed: number): tf.Tensor =>
  tf.tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i * 12.9898 + seed * 78.233)),
    shape,
  );

type Five = [number, number, number, number, number];

async function compare(f: (x: tf.Tensor, w: tf.Tensor) => tf.Tensor, xShape: number[], wShape: number[]) {
  const run = async (backend: string) => {
    await tf.setBackend(backend);
    const [x, w] = [values(xShape, 1), values(wShape, 2)];
    const y = f(x, w);
    const dy = values(y.shape, 3);
    const [dx, dw] = tf.grads((a: tf.Tensor, b: tf.Tensor) => tf.sum(tf.mul(f(a, b), dy)))([x, w]) as [
      tf.Tensor,
      tf.Tensor,
    ];
    return Promise.all([y, dx, dw].map((t) => t.data()));
  };
  const expected = await run("cpu");
  const actual = await run("wasm");
  for (const [k, name] of ["forward", "input gradient", "filter gradient"].entries()) {
    const scale = Math.max(...Array.from(expected[k]!, Math.abs));
    let worst = 0;
    for (let i = 0; i < expected[k]!.length; i++) worst = Math.max(worst, Math.abs(actual[k]![i]! - expected[k]![i]!));
    expect(worst / scale, name).toBeLessThan(1e-5);
  }
}

describe("conv3d on wasm equals the cpu backend, forward and both gradients", () => {
  const cases: [string, Five, Five, number, "same" | "valid"][] = [
    ["3x3x3 same", [2, 5, 6, 7, 8], [3, 3, 3, 8, 16], 1, "same"],
    ["3x3x3 same, one channel in", [1, 4, 5, 9, 1], [3, 3, 3, 1, 16], 1, "same"],
    ["3x3x3 same, channels that fill no vector", [1, 3, 4, 5, 5], [3, 3, 3, 5, 7], 1, "same"],
    ["3x3x3 valid", [1, 5, 5, 6, 4], [3, 3, 3, 4, 12], 1, "valid"],
    ["2x2x2 stride 2", [2, 4, 6, 8, 8], [2, 2, 2, 8, 16], 2, "same"],
    ["2x2x2 stride 2 on odd sizes", [1, 5, 4, 7, 4], [2, 2, 2, 4, 4], 2, "same"],
    ["3x3x3 stride 2", [1, 6, 7, 8, 4], [3, 3, 3, 4, 6], 2, "same"],
    ["1x1x1 to two classes", [2, 3, 4, 5, 16], [1, 1, 1, 16, 2], 1, "same"],
    ["1x3x5 anisotropic", [1, 3, 5, 7, 4], [1, 3, 5, 4, 4], 1, "same"],
    ["a single voxel", [1, 1, 1, 1, 3], [3, 3, 3, 3, 5], 1, "same"],
  ];
  for (const [name, x, w, stride, pad] of cases)
    it(name, () => compare((a, b) => tf.conv3d(a as tf.Tensor5D, b as tf.Tensor5D, stride, pad), x, w));
});

describe("conv2d on wasm trains", () => {
  it("3x3 same", () =>
    compare((a, b) => tf.conv2d(a as tf.Tensor4D, b as tf.Tensor4D, 1, "same"), [2, 6, 7, 5], [3, 3, 5, 9]));
  it("2x2 stride 2", () =>
    compare((a, b) => tf.conv2d(a as tf.Tensor4D, b as tf.Tensor4D, 2, "valid"), [1, 6, 8, 4], [2, 2, 4, 8]));
});

describe("what the kernels do not cover", () => {
  it("dilated and unequally strided convolutions keep the stock kernels", async () => {
    const f = (dilation: number, strides: number | [number, number, number]) =>
      tf.conv3d(
        values([1, 6, 6, 6, 2], 1) as tf.Tensor5D,
        values([3, 3, 3, 2, 3], 2) as tf.Tensor5D,
        strides,
        "same",
        "NDHWC",
        dilation,
      );
    for (const [dilation, strides] of [
      [2, 1],
      [1, [1, 2, 1]],
    ] as [number, number | [number, number, number]][]) {
      await tf.setBackend("cpu");
      const expected = await f(dilation, strides).data();
      await tf.setBackend("wasm");
      const actual = await f(dilation, strides).data();
      expect(Math.max(...expected.map((v, i) => Math.abs(v - actual[i]!)))).toBeLessThan(1e-4);
    }
  });
});
