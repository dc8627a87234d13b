import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readVolume, type Volume, writeVolume } from "@semiseg/data";
import type { Network } from "@semiseg/nn";
import { postprocessLabels, predict, predictProbabilities, slidingWindowInference } from "@semiseg/training";
import "@tensorflow/tfjs";
import * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

/** Two classes: foreground where the image is above `threshold`, the surer the further. */
const thresholding = (threshold: number): Network =>
  ({
    provides: { classes: 2, divisor: 1 },
    apply: (x: tf.Tensor) => ({ logits: tf.concat([tf.zerosLike(x), tf.sub(x, threshold)], -1) }),
  }) as unknown as Network;

const folder = mkdtempSync(join(tmpdir(), "semiseg-predict-"));
beforeAll(() => tf.setBackend("cpu"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("predict", () => {
  const shape = [4, 5, 6];
  const spacing = [3, 0.8, 1.25];
  // Oblique: turned by 0.3 about the first axis, shifted, the second axis flipped.
  const [c, s] = [Math.cos(0.3), Math.sin(0.3)];
  const affine = [3, 0, 0, -7, 0, -0.8 * c, -1.25 * s, 11, 0, -0.8 * s, 1.25 * c, 2.5, 0, 0, 0, 1];
  const image: Volume = {
    data: Float32Array.from({ length: 120 }, (_, i) => Math.sin(i * i)),
    shape: [...shape, 1],
    spacing,
    affine,
    dtype: "float32",
    meta: {},
  };

  it("writes NIfTI that lies on the image: the same shape, spacing and affine", async () => {
    const source = join(folder, "image.nii.gz");
    await writeVolume(source, { ...image, shape });
    const read = await readVolume(source);
    const output = join(folder, "prediction.nii.gz");
    const result = await predict({ networks: [thresholding(0)], image: { ...read, shape: [...shape, 1] }, output });
    const written = await readVolume(output);
    expect(written.shape).toEqual(shape);
    expect([...written.affine]).toEqual([...read.affine]);
    expect([...written.spacing]).toEqual([...read.spacing]);
    expect([...written.data]).toEqual([...image.data].map((v) => (v > 0 ? 1 : 0)));
    expect([...result.data]).toEqual([...written.data]);
  });

  it("decides on the image's own grid and orientation when the networks see another", async () => {
    const step: Volume = { ...image, data: Float32Array.from({ length: 120 }, (_, i) => (i % 6 < 3 ? -1 : 1)) };
    const { data, shape: got } = await predict({
      networks: [thresholding(0)],
      image: step,
      preprocess: { spacing: [1.5, 0.8, 0.625], orientation: "RAS" } as never,
    });
    expect(got).toEqual(shape);
    expect([...data]).toEqual([...step.data].map((v) => (v > 0 ? 1 : 0)));
  });

  it("averages the probabilities of an ensemble", async () => {
    const networks = [thresholding(0), thresholding(3)];
    const x = { data: Float32Array.from([-1, 0, 2, 5]), shape: [2, 2, 1] };
    const both = await predictProbabilities(networks, x);
    const [a, b] = [await predictProbabilities([networks[0]!], x), await predictProbabilities([networks[1]!], x)];
    for (let i = 0; i < 8; i++) expect(both.data[i]).toBeCloseTo((a.data[i]! + b.data[i]!) / 2, 6);
  });

  it("postprocesses what it writes", async () => {
    const data = new Float32Array(120).fill(-1);
    for (const i of [0, 1, 31, 100]) data[i] = 1;
    const options = { networks: [thresholding(0)], image: { ...image, data }, postprocess: { largestComponent: true } };
    const { data: labels } = await predict(options);
    // Voxels 0 and 1 touch; 31 is in the next slice beside them; 100 is alone.
    expect([...labels.entries()].filter(([, v]) => v === 1).map(([i]) => i)).toEqual([0, 1, 31]);
  });
});

describe("postprocessLabels", () => {
  const picture = (rows: readonly string[]) => ({
    labels: Uint8Array.from(rows.join(""), Number),
    shape: [rows.length, rows[0]!.length],
  });
  const { labels, shape } = picture(["1110022", "1010202", "1110222", "0000000", "1000002"]);

  it("keeps each class's largest component and fills the background it encloses", () => {
    const largest = picture(["1110022", "1010202", "1110222", "0000000", "0000000"]).labels;
    const filled = picture(["1110022", "1110222", "1110222", "0000000", "0000000"]).labels;
    expect(postprocessLabels(labels, shape, { largestComponent: true })).toEqual(largest);
    expect(postprocessLabels(labels, shape, { largestComponent: true, fillHoles: true })).toEqual(filled);
  });

  it("leaves another class inside a hole, and does nothing unless asked", () => {
    const nested = picture(["11111", "10021", "11111"]);
    expect(postprocessLabels(nested.labels, nested.shape, { fillHoles: true })).toEqual(
      picture(["11111", "11121", "11111"]).labels,
    );
    expect(postprocessLabels(labels, shape)).toBe(labels);
  });
});

describe("windows of a network that is the same everywhere", () => {
  it("give the whole volume's result in the interior, from voxels whose surroundings a window holds", async () => {
    const kernel = tf.randomNormal([3, 3, 3, 1, 2], 0, 1, "float32", 1) as tf.Tensor5D;
    const predictor = (x: tf.Tensor): tf.Tensor => tf.conv3d(x as tf.Tensor5D, kernel, 1, "same");
    const x = tf.randomNormal([1, 12, 11, 10, 1], 0, 1, "float32", 2);
    const whole = predictor(x).dataSync();
    // Float32 sums of up to 64 windows: an error goes with the largest value (about 15), not with the voxel's own.
    const bound = 2e-6 * Float32Array.from(whole).reduce((most, v) => Math.max(most, Math.abs(v)), 0);
    // Weights that leave a window's border out: only voxels whose surroundings the window holds count.
    const roi = [6, 6, 6];
    const windows = await slidingWindowInference(x, {
      roiSize: roi,
      strides: [1, 1, 1],
      mode: "gaussian",
      sigmaScale: 0.125,
      predictor: async (patch) => {
        const predicted = predictor(patch);
        const exact = tf.slice(predicted, [0, 1, 1, 1, 0], [-1, 4, 4, 4, -1]);
        return tf.pad(exact, [
          [0, 0],
          [1, 1],
          [1, 1],
          [1, 1],
          [0, 0],
        ]);
      },
    });
    const share = await slidingWindowInference(x, {
      roiSize: roi,
      strides: [1, 1, 1],
      mode: "gaussian",
      sigmaScale: 0.125,
      predictor: (patch) =>
        tf.pad(tf.ones([patch.shape[0]!, 4, 4, 4, 1]), [
          [0, 0],
          [1, 1],
          [1, 1],
          [1, 1],
          [0, 0],
        ]),
    });
    const [got, weight] = [windows.dataSync(), share.dataSync()];
    for (let z = 1; z < 11; z++)
      for (let y = 1; y < 10; y++)
        for (let w = 1; w < 9; w++) {
          const voxel = (z * 11 + y) * 10 + w;
          for (const c of [0, 1])
            expect(Math.abs(got[2 * voxel + c]! / weight[voxel]! - whole[2 * voxel + c]!)).toBeLessThan(bound);
        }
  });
});
