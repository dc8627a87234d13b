import "@tensorflow/tfjs";
import { findChromium } from "@semiseg/test-utils";
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { gemmSettings, type SeenGemm } from "../src/gemm-settings.js";
import { candidateTiles, sizeClass, tileName } from "../src/gemm-tile.js";
import { type ConvolutionPrecision, initWebgpu, tuneWebgpu, type WebgpuInfo } from "../src/index.js";
import { conv, NAMES, on, type Run, transposed, values } from "./helpers/convolutions.js";
import { runInChromium } from "./helpers/run-in-chromium.js";

const tiles = { get: () => null, set: () => {} };
let half: WebgpuInfo | null = null;
try {
  half = await initWebgpu({ precision: "f16", tiles });
} catch (error) {
  if (!(error as Error).message.includes("needs shader-f16")) throw error;
}

/** Two roundings to 11 bits, each to either neighbour: of every product, and so of the sum of their magnitudes. */
const ROUNDING = 2 ** -9;

/** The cpu backend's results, and those of all magnitudes, which bound what rounding can do. */
async function expectWithinRounding(x: readonly number[], filter: readonly number[], run: Run, factor = [1, 1, 1]) {
  const change = (array: Float32Array, i: number) => array.map((v) => v * factor[i]!);
  const expected = await on("cpu", x, filter, run, change);
  const bounds = await on("cpu", x, filter, run, (array, i) => change(array, i).map(Math.abs));
  const received = await on("webgpu", x, filter, run, change);
  await half!.guard.flush();
  let differs = 0;
  for (const [i, want] of expected.entries()) {
    let worst = 0;
    for (const [k, v] of want.entries()) {
      const error = Math.abs(received[i]![k]! - v);
      worst = Math.max(worst, error / bounds[i]![k]!);
      if (error > 1e-5 * bounds[i]![k]!) differs++;
    }
    expect(worst, NAMES[i]).toBeLessThan(ROUNDING);
  }
  // Otherwise it was not float16 that ran.
  expect(differs).toBeGreaterThan(0);
}

describe.skipIf(!half)("convolutions of float16 operands", () => {
  beforeAll(async () => {
    half = await initWebgpu({ precision: "f16", tiles });
  });

  it.each([
    ["3x3x3, channels of no round number", [2, 5, 4, 6, 5], [3, 3, 3, 5, 7], conv(1, "valid")],
    ["3x3x3, 16 to 20 channels", [1, 5, 7, 6, 16], [3, 3, 3, 16, 20], conv(1, "same")],
    ["a filter gradient in parts", [1, 23, 20, 17, 2], [3, 3, 3, 2, 3], conv(1, "same")],
    ["transposed 2x2x2, stride 2", [2, 4, 3, 5, 16], [2, 2, 2, 2, 16], transposed([2, 8, 6, 10, 2], 2, "valid")],
  ] as const)("stay within the rounding of the operands, gradients too: %s", (_, x, filter, run) =>
    expectWithinRounding(x, filter, run),
  );

  const [x, filter, run] = [[2, 5, 4, 6, 5], [3, 3, 3, 5, 7], conv(1, "valid")] as const;
  it.each([
    [1, 1, 1e-12],
    [1, 1, 1e30],
    [1e30, 1e-20, 1],
    [1e-30, 1e6, 1e20],
  ])("hold inputs, filters and gradients of magnitudes %d, %d and %d, which float16 itself does not", (...factors) =>
    expectWithinRounding(x, filter, run, factors),
  );

  it("hold gradients of a transposed convolution, which is convolved forwards", () =>
    expectWithinRounding([1, 4, 3, 5, 6], [2, 2, 2, 4, 6], transposed([1, 8, 6, 10, 4], 2, "valid"), [1, 1, 1e-12]));

  it("have the same bits with other tiles", async () => {
    await tf.setBackend("webgpu");
    const settings = gemmSettings(tf.backend() as unknown as WebGPUBackend);
    const seen = new Map<string, SeenGemm>();
    settings.seen = seen;
    const standard = await on("webgpu", x, filter, run);
    settings.seen = null;
    expect(seen.size).toBe(3);
    for (let i = 1; i < 8; i += 2) {
      for (const [name, { candidates }] of seen) settings.tiles.set(name, tileName(candidates[i % candidates.length]!));
      expect(await on("webgpu", x, filter, run)).toEqual(standard);
    }
    settings.tiles.clear();
  }, 300_000);

  it("have the same bits where they are not stored as float16", async () => {
    await tf.setBackend("webgpu");
    const settings = gemmSettings(tf.backend() as unknown as WebGPUBackend);
    const both = [];
    for (const pack of [true, false]) {
      settings.pack = pack;
      settings.seen = new Map();
      both.push(await on("webgpu", x, filter, run));
      const stored = [...settings.seen.keys()].map((name) => /_packed(A|AB) /.exec(name)?.[1]);
      expect(stored).toEqual(pack ? ["A", "A", "AB"] : [undefined, undefined, undefined]);
    }
    Object.assign(settings, { pack: true, seen: null });
    expect(both[0]).toEqual(both[1]);
  });

  it("hold inputs beyond the largest float16, and keep infinities and NaN", async () => {
    await tf.setBackend("webgpu");
    const product = async (value: number): Promise<number> => {
      const y = tf.tidy(() =>
        tf.conv3d(
          tf.fill([1, 1, 1, 1, 1], value) as tf.Tensor5D,
          tf.fill([1, 1, 1, 1, 1], 0.5) as tf.Tensor5D,
          1,
          "same",
        ),
      );
      const [result] = await y.data();
      y.dispose();
      return result!;
    };
    expect(await product(65504)).toBe(32752);
    // 1e6 to 11 bits.
    expect(await product(1e6)).toBe(499968);
    expect((await product(-3e38)) / -1.5e38).toBeCloseTo(1, 3);
    expect(await product(Number.POSITIVE_INFINITY)).toBe(Number.POSITIVE_INFINITY);
    expect(await product(Number.NEGATIVE_INFINITY)).toBe(Number.NEGATIVE_INFINITY);
    expect(await product(Number.NaN)).toBeNaN();
  });

  it("leave a gradient of zeros zero", async () => {
    const [, dx, dw] = await on("webgpu", x, filter, run, (array, i) => (i === 2 ? array.fill(0) : array));
    expect(dx!.every((v) => v === 0) && dw!.every((v) => v === 0)).toBe(true);
  });

  it("are tuned apart from float32 ones", async () => {
    await tf.setBackend("webgpu");
    const { tuned } = await tuneWebgpu(() =>
      tf.tidy(
        () =>
          void tf.conv3d(tf.ones([1, 5, 4, 4, 4]) as tf.Tensor5D, tf.ones([1, 1, 1, 4, 3]) as tf.Tensor5D, 1, "same"),
      ),
    );
    expect(tuned.map(({ name }) => name.split(" ").slice(0, 2))).toEqual([["conv_true", "f16"]]);
    const { tiles: found } = gemmSettings(tf.backend() as unknown as WebGPUBackend);
    const known = candidateTiles(sizeClass({ rows: 80, columns: 3, terms: 4 }), [4], {
      maxComputeInvocationsPerWorkgroup: 256,
      maxComputeWorkgroupSizeX: 256,
      maxComputeWorkgroupStorageSize: 16384,
    });
    expect(known.map(tileName)).toContain(found.get(tuned[0]!.name));
  });

  it("train a small network over 20 steps with losses within 0.1 % of those of float32", async () => {
    const train = async (precision: ConvolutionPrecision): Promise<number[]> => {
      await initWebgpu({ precision, tiles });
      const shapes = [
        [3, 3, 3, 1, 4],
        [2, 2, 2, 4, 8],
        [2, 2, 2, 4, 8],
        [3, 3, 3, 8, 2],
      ];
      const weights = shapes.map((shape, i) =>
        tf.variable(tf.tidy(() => tf.mul(tf.tensor(values(shape, i), shape), 0.3)) as tf.Tensor5D),
      );
      const image = tf.tensor(values([1, 12, 12, 12, 1], 1), [1, 12, 12, 12, 1]) as tf.Tensor5D;
      const target = tf.tidy(() => tf.cast(tf.concat([tf.greater(image, 0), tf.lessEqual(image, 0)], 4), "float32"));
      const loss = (): tf.Scalar => {
        const [first, down, up, last] = weights as unknown as [tf.Tensor5D, tf.Tensor5D, tf.Tensor5D, tf.Tensor5D];
        const full = tf.relu(tf.conv3d(image, first, 1, "same"));
        const half = tf.relu(tf.conv3d(full, down, 2, "valid"));
        const back = tf.conv3dTranspose(half, up, [1, 12, 12, 12, 4], 2, "valid");
        const logits = tf.conv3d(tf.concat([full, back], 4) as tf.Tensor5D, last, 1, "same");
        return tf.neg(tf.mean(tf.mul(tf.logSoftmax(logits), target)));
      };
      const losses: number[] = [];
      for (let step = 0; step < 20; step++) {
        const { value, grads } = tf.variableGrads(loss, weights as unknown as tf.Variable[]);
        tf.tidy(() => {
          for (const v of weights) v.assign(tf.sub(v, tf.mul(grads[v.name]!, 0.2)));
        });
        losses.push((await value.data())[0]!);
        tf.dispose([value, grads]);
      }
      tf.dispose([image, target, weights]);
      return losses;
    };
    const [float, own] = [await train("f32"), await train("f16")];
    expect(float[19]!).toBeLessThan(0.7 * float[0]!);
    for (const [step, loss] of float.entries())
      expect(Math.abs(own[step]! / loss - 1), `step ${step}`).toBeLessThan(0.001);
    expect(own).not.toEqual(float);
  });
});

describe("precision f16", () => {
  it("is refused where the adapter lacks it, with what to do", async () => {
    const { navigator } = globalThis as unknown as { navigator: { gpu: GPU } };
    const { gpu } = navigator;
    const adapter = { info: { description: "old card" }, features: new Set(["timestamp-query"]) };
    Object.assign(navigator, { gpu: { requestAdapter: async () => adapter } });
    try {
      await expect(initWebgpu({ precision: "f16", tiles })).rejects.toThrow(
        /needs shader-f16, which the adapter lacks \(old card\): use precision 'f32'/,
      );
      await expect(initWebgpu({ precision: "f8" as never })).rejects.toThrow("precision must be one of 'f32', 'f16'");
    } finally {
      Object.assign(navigator, { gpu });
    }
  });

  const browser = findChromium();
  it.skipIf(!browser)(
    "is refused or computes in headless Chromium, as its adapter says",
    async () => {
      const { has, outcome } = (await runInChromium(
        browser!,
        `import "@tensorflow/tfjs";
import { initWebgpu } from "@semiseg/webgpu";
import * as tf from "@tensorflow/tfjs-core";
const adapter = await navigator.gpu.requestAdapter();
const has = adapter.features.has("shader-f16");
const outcome = await initWebgpu({ precision: "f16" }).then(async () => {
  const y = tf.conv3d(tf.fill([1, 1, 1, 1, 1], 1e6), tf.fill([1, 1, 1, 1, 1], 0.5), 1, "same");
  return (await y.data())[0];
}).catch((error) => error.message);
await fetch("/report", { method: "POST", body: JSON.stringify({ has, outcome }) });`,
      )) as { has: boolean; outcome: unknown };
      if (has) expect(outcome).toBe(499968);
      else expect(outcome).toMatch(/precision 'f16' needs shader-f16/);
    },
    120_000,
  );
});
