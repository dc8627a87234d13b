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

/** Moves every weight to the next float: the smallest change that rounding can make. */
function perturb(variables: Iterable<tf.Variable>): void {
  for (const variable of variables)
    tf.tidy(() => {
      const values = Float32Array.from(variable.dataSync());
      const bits = new Int32Array(values.buffer);
      for (let i = 0; i < bits.length; i++) if (values[i] !== 0) bits[i]! += 1;
      variable.assign(tf.tensor(values, variable.shape));
    });
}

/** Losses of a V-Net with 16 channels where its maps are 8 voxels wide, so that every kind of convolution is used. */
async function losses(steps: number, perturbed = false): Promise<number[]> {
  await initBackend({ prefer: "tensorflow", quiet: true });
  const network = vnet({ baseFilters: 8, normalization: "group", dropout: 0, seed: 5 });
  const random = new RandomStream(9);
  const image = random.normal([1, 16, 16, 16, 1]);
  const labels = tf.tidy(() => tf.cast(tf.greater(tf.squeeze(image, [4]), 0.5), "int32"));
  const named = new Map([...network.named].filter(([, variable]) => variable.trainable));
  if (perturbed) perturb(named.values());
  const optimizer = sgd({ learningRate: 0.01 });
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

// What rounding may do to a curve is measured, not guessed: TensorFlow's own kernels once more, every weight moved by one
// unit in the last place at the start. Training spreads either difference alike.
it("50 steps with our kernels: the same twice bit for bit, and as near to TensorFlow's own kernels as one rounding of the weights", async () => {
  if (target) {
    writeFileSync(target, JSON.stringify({ plain: await losses(STEPS), moved: await losses(STEPS, true) }));
    return;
  }
  const curve = await losses(STEPS);
  expect(await losses(10)).toEqual(curve.slice(0, 10));
  const folder = mkdtempSync(join(tmpdir(), "semiseg-losses-"));
  try {
    const file = join(folder, "losses.json");
    execFileSync(process.execPath, ["node_modules/vitest/vitest.mjs", "run", "benchmarks/test/loss-curve.test.ts"], {
      env: { ...process.env, SEMISEG_NATIVE_OPS: "off", SEMISEG_TEST_LOSSES: file },
      stdio: "pipe",
    });
    const { plain, moved } = JSON.parse(readFileSync(file, "utf8")) as Record<"plain" | "moved", number[]>;
    expect(plain).toHaveLength(STEPS);
    const most = (other: readonly number[]): number => Math.max(...other.map((x, step) => Math.abs(x - plain[step]!)));
    expect(Math.abs(curve[0]! - plain[0]!)).toBeLessThan(2e-6);
    console.log(`largest difference: our kernels ${most(curve)}, weights moved by one rounding ${most(moved)}`);
    expect(most(curve)).toBeLessThan(4 * most(moved));
    expect(curve.at(-1)!).toBeLessThan(0.9 * curve[0]!);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 300_000);
