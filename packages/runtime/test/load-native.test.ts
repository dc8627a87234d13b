import util from "node:util";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { doctor } from "../src/engine/doctor.js";
import { initBackend } from "../src/engine/init-backend.js";
import { loadNative } from "../src/engine/load-native.js";
import { setupNative } from "../src/setup/setup-native.js";

// The real engine: `npm run native` readied it before the tests; here that costs nothing.
beforeAll(async () => {
  await setupNative();
}, 600_000);

describe("native TensorFlow", () => {
  it("is chosen on a machine without a GPU, and shares this process's one tfjs", async () => {
    const info = await initBackend({ quiet: true, prefer: "tensorflow" });
    expect(info).toMatchObject({ name: "tensorflow", backend: "tensorflow", device: "cpu", version: "2.21.0" });
    // A tensor made by our tfjs-core must be known to the backend that tfjs-node's code made, and the other way round.
    const y = tf.matMul(tf.ones([2, 3]), tf.ones([3, 2]));
    expect(y).toBeInstanceOf(tf.Tensor);
    expect(Array.from(y.dataSync())).toEqual([3, 3, 3, 3]);
  });

  it("has gradients", () => {
    const gradient = tf.grad((x: tf.Tensor) => tf.sum(tf.square(x)))(tf.tensor1d([1, 2, 3]));
    expect(Array.from(gradient.dataSync())).toEqual([2, 4, 6]);
  });

  it("counts tensors as tfjs does: nothing is left after a tidy with gradients", () => {
    const step = () =>
      tf.tidy(() => {
        const x = tf.ones([1, 4, 4, 4, 3]) as tf.Tensor5D;
        const w = tf.ones([3, 3, 3, 3, 2]) as tf.Tensor5D;
        tf.grad((v: tf.Tensor) => tf.sum(tf.conv3d(x, v as tf.Tensor5D, 1, "same")))(w);
      });
    step();
    const before = tf.memory();
    for (let i = 0; i < 3; i++) step();
    expect(tf.memory().numTensors).toBe(before.numTensors);
    expect(tf.memory().numDataBuffers).toBe(before.numDataBuffers);
  });

  it("loads once per process", () => {
    expect(loadNative("cpu")).toBe(loadNative("cpu"));
  });

  it("restores the functions of util that newer Node lacks and tfjs-node calls", () => {
    const legacy = util as unknown as Record<string, (x: unknown) => boolean>;
    expect(legacy["isNullOrUndefined"]!(null)).toBe(true);
    expect(legacy["isNullOrUndefined"]!(0)).toBe(false);
  });

  it("is reported as ready by doctor", async () => {
    const row = (await doctor()).find(({ name }) => name === "native TensorFlow (cpu)");
    expect(row).toMatchObject({ usable: true, remedy: "" });
  });

  it("runs every convolution rank with gradients", () => {
    const x = tf.ones([1, 6, 6, 2]) as tf.Tensor4D;
    const w = tf.ones([3, 3, 2, 2]) as tf.Tensor4D;
    const dw = tf.grad((v: tf.Tensor) => tf.sum(tf.conv2d(x, v as tf.Tensor4D, 1, "valid")))(w);
    expect(Array.from(dw.dataSync())).toEqual(new Array(36).fill(16));
  });
});
