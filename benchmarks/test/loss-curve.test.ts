import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { vnet } from "@semiseg/backbones";
import { diceCrossEntropyLoss } from "@semiseg/losses";
import { RandomStream, sgd, variableGradients } from "@semiseg/nn";
import { initBackend } from "@semiseg/runtime";
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";

const STEPS = 50;

/** Losses of a V-Net with 16 channels where its maps are 8 voxels wide, so that every kind of convolution is used. */
async function losses(steps: number): Promise<number[]> {
  await initBackend({ prefer: "tensorflow", quiet: true });
  const network = vnet({ baseFilters: 8, normalization: "group", dropout: 0, seed: 5 });
  const random = new RandomStream(9);
  const image = random.normal([1, 16, 16, 16, 1]);
  const labels = tf.tidy(() => tf.cast(tf.greater(tf.squeeze(image, [4]), 0.5), "int32"));
  const named = new Map([...network.named].filter(([, variable]) => variable.trainable));
  const optimizer = sgd({ learningRate: 0.003 });
  const curve: number[] = [];
  for (let step = 0; step < steps; step++) {
    const { value, gradients } = variableGradients(
      () => diceCrossEntropyLoss(labels, network.apply(image, { training: true }).logits),
      [...named.values()],
    );
    const byName = new Map([...named].flatMap(([name, v]) => (gradients.has(v) ? [[name, gradients.get(v)!]] : [])));
    optimizer.apply(byName as Map<string, tf.Tensor>, named, step);
    curve.push(value.dataSync()[0]!);
    tf.dispose([value, ...gradients.values()]);
  }
  optimizer.dispose();
  network.dispose();
  tf.dispose([image, labels]);
  return curve;
}

const target = process.env["SEMISEG_TEST_LOSSES"];

it("50 steps with our kernels: the same twice bit for bit, and within 1e-3 of TensorFlow's own kernels", async () => {
  const curve = await losses(STEPS);
  if (target) {
    writeFileSync(target, JSON.stringify(curve));
    return;
  }
  expect(await losses(10)).toEqual(curve.slice(0, 10));
  const folder = mkdtempSync(join(tmpdir(), "semiseg-losses-"));
  try {
    const file = join(folder, "losses.json");
    execFileSync(process.execPath, ["node_modules/vitest/vitest.mjs", "run", "benchmarks/test/loss-curve.test.ts"], {
      env: { ...process.env, SEMISEG_NATIVE_OPS: "off", SEMISEG_TEST_LOSSES: file },
      stdio: "pipe",
    });
    const plain = JSON.parse(readFileSync(file, "utf8")) as number[];
    expect(plain).toHaveLength(STEPS);
    // Each starts from the same weights: one rounding at first, which training spreads.
    expect(Math.abs(curve[0]! - plain[0]!)).toBeLessThan(2e-6);
    expect(Math.max(...curve.map((loss, step) => Math.abs(loss - plain[step]!)))).toBeLessThan(1e-3);
    expect(curve.at(-1)!).toBeLessThan(0.9 * curve[0]!);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 300_000);
