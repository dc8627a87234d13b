import "@tensorflow/tfjs";
import { BackendError, OptionError } from "@semiseg/errors";
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { gemmSettings, type SeenGemm } from "../src/gemm-settings.js";
import { candidateTiles, type MatrixShape, tileName } from "../src/gemm-tile.js";
import { initWebgpu, tuneWebgpu, type WebgpuInfo } from "../src/index.js";
import { conv, on, type Run, transposed, values } from "./helpers/convolutions.js";
import { emulateMatrices } from "./helpers/emulate-matrices.js";
import { initMatrices } from "./helpers/init-matrices.js";

type Dawn = { create(options: string[]): GPU };
vi.mock("webgpu", async (original) => {
  const dawn = await original<Dawn>();
  return { ...dawn, create: vi.fn(dawn.create) };
});

const tiles = { get: () => null, set: () => {} };
const settings = () => gemmSettings(tf.backend() as unknown as WebGPUBackend);

const CASES: readonly (readonly [string, readonly number[], readonly number[], Run])[] = [
  ["3x3x3, channels of no round number", [2, 5, 4, 6, 5], [3, 3, 3, 5, 7], conv(1, "valid")],
  ["3x3x3, 16 to 20 channels", [1, 5, 7, 6, 16], [3, 3, 3, 16, 20], conv(1, "same")],
  ["3x3x3, 2 to 16 channels", [1, 5, 4, 6, 2], [3, 3, 3, 2, 16], conv(1, "same")],
  ["2x2x2, 32 to 72 channels, stride 2", [1, 9, 7, 5, 32], [2, 2, 2, 32, 72], conv(2, "same")],
  ["2x2x2 without a rest, stride 2", [1, 4, 6, 4, 4], [2, 2, 2, 4, 24], conv(2, "valid")],
  ["a filter gradient in parts", [1, 11, 9, 6, 2], [3, 3, 3, 2, 3], conv(1, "same")],
  ["3x3x3 of 8 channels, stride 2", [1, 7, 8, 5, 8], [3, 3, 3, 8, 12], conv(2, "same")],
  ["1x1x1 to two classes", [2, 4, 5, 6, 16], [1, 1, 1, 16, 2], conv(1, "same")],
  ["transposed 2x2x2, stride 2", [2, 4, 3, 5, 16], [2, 2, 2, 2, 16], transposed([2, 8, 6, 10, 2], 2, "valid")],
];
const SIZES = [
  [16, 16, 16],
  [8, 8, 8],
  [16, 8, 16],
  [8, 16, 16],
  [16, 8, 8],
] as const;

describe("tiles of subgroup matrices", () => {
  const limits = {
    maxComputeInvocationsPerWorkgroup: 256,
    maxComputeWorkgroupSizeX: 256,
    maxComputeWorkgroupStorageSize: 16384,
  };
  it.each(SIZES)(
    "are made up of %dx%dx%d and of whole subgroups, and need no more than every device has",
    (M, N, K) => {
      for (const subgroup of [8, 16, 32, 64, 128])
        for (const columns of [1, 8, 24, 64, 512]) {
          const matrix: MatrixShape = { rows: M, columns: N, terms: K, subgroup };
          const found = candidateTiles({ rows: 4096, columns, terms: 512 }, [16, 32, 8, 4], limits, matrix);
          expect(found.length).toBeGreaterThan(0);
          for (const tile of found) {
            expect([tile.rows % M, tile.columns % N, tile.depth % K, tile.threads % subgroup]).toEqual([0, 0, 0, 0]);
            expect(2 * tile.depth * (tile.rows + tile.columns)).toBeLessThan(16384);
          }
          expect(candidateTiles({ rows: 8, columns, terms: 512 }, [16], limits, matrix).length).toBe(1);
        }
    },
  );
});

/** A convolution and its gradients, whose values nobody reads. */
function train([, x, filter, run]: (typeof CASES)[number]): void {
  const inputs = [x, filter].map((shape, i) => tf.tensor(values(shape, i), [...shape]));
  const f = (a: tf.Tensor, b: tf.Tensor) => tf.sum(run(a as tf.Tensor5D, b as tf.Tensor5D));
  tf.dispose([...inputs, ...tf.grads(f)(inputs)]);
}

/**
 * Runs a convolution and its gradients with the default tiles, then with each other one, or every so many; the classes that
 * they are of.
 */
async function withOtherTiles(run: () => unknown, every = 1): Promise<ReadonlyMap<string, SeenGemm>> {
  const seen = new Map<string, SeenGemm>();
  const { tiles: chosen } = settings();
  chosen.clear();
  settings().seen = seen;
  await run();
  settings().seen = null;
  const most = Math.max(...[...seen.values()].map(({ candidates }) => candidates.length));
  for (let i = 1; i < most; i += every) {
    for (const [name, { candidates }] of seen) chosen.set(name, tileName(candidates[i % candidates.length]!));
    await run();
  }
  return seen;
}

describe("shaders with subgroup matrices, compiled by Dawn", () => {
  let gpu: GPU;
  beforeAll(async () => {
    await initWebgpu({ tiles });
    const { create } = (await import("webgpu" as string)) as Dawn;
    gpu = create(["backend=null", "enable-dawn-features=allow_unsafe_apis"]);
  });

  it.each(SIZES)("are valid for every program and tile: %dx%dx%d", async (...sizes) => {
    const compiled = new Set<string>();
    const info = await initMatrices(gpu, { sizes, subgroup: 128 }, (code) => {
      compiled.add(code);
      return code;
    });
    const programs = new Set<string>();
    let most = 0;
    for (const one of CASES)
      for (const [name, { candidates }] of await withOtherTiles(() => train(one))) {
        programs.add(name.split(" ")[0]!);
        most = Math.max(most, candidates.length);
      }
    await info.guard.flush();
    const kinds = new Set([...programs].map((name) => name.replace(/_packedA?B?$/, "")));
    expect([...kinds].sort()).toEqual(["conv_false", "conv_true", "filter", "input_false", "input_true", "tiles"]);
    // Operands of tilings and 1x1x1 are float32, the others stored as float16.
    expect([...programs].filter((name) => name.endsWith("_packedAB"))).toEqual(["filter_packedAB"]);
    expect(programs.size).toBeGreaterThan(kinds.size + 2);
    expect(most).toBeGreaterThan(3);
    expect(compiled.size).toBeGreaterThan(programs.size * 3);
  });

  it.each([
    ["a word that is none", "col_major", "no_major"],
    ["operands that do not fit", "subgroup_matrix_left<f16, 16, 8>", "subgroup_matrix_left<f16, 8, 16>"],
    ["a directive less", "enable chromium_experimental_subgroup_matrix;", ""],
    ["uniformity that is not given up", "diagnostic(off, chromium.subgroup_matrix_uniformity);", ""],
  ])("are refused with %s", async (_, good, bad) => {
    const info = await initMatrices(gpu, { sizes: [8, 16, 16], subgroup: 128 }, (code) => {
      expect(code).toContain(good);
      return code.replace(good, bad);
    });
    train(CASES[1]!);
    await expect(info.guard.flush()).rejects.toThrow(/WebGPU rejected an operation/);
  });
});

let half: WebgpuInfo | null = null;
try {
  half = await initWebgpu({ precision: "f16", tiles });
} catch (error) {
  if (!(error as Error).message.includes("needs shader-f16")) throw error;
}

describe.skipIf(!half?.features.includes("subgroups"))("subgroup matrices, emulated by plain WGSL", () => {
  let gpu: GPU;
  let lanes: number;
  beforeAll(async () => {
    gpu = (globalThis as unknown as { navigator: { gpu: GPU } }).navigator.gpu;
    const { info } = (await gpu.requestAdapter()) as unknown as {
      info: { subgroupMinSize: number; subgroupMaxSize: number };
    };
    lanes = info.subgroupMaxSize;
    // The emulation shares out sums among as many.
    expect(info.subgroupMinSize).toBe(lanes);
  });

  /** Readies the backend; the number of shaders emulated since is `count()`. */
  async function emulate(sizes: readonly [number, number, number], times = 1) {
    let shaders = 0;
    const info = await initMatrices(gpu, { sizes, subgroup: times * lanes }, (code) => {
      shaders++;
      return emulateMatrices(code, lanes);
    });
    return { info, count: () => shaders };
  }

  /** What threads make of float16 operands, which add up the same terms in the same order. */
  async function byThreads([, x, filter, run]: (typeof CASES)[number]): Promise<Float32Array[]> {
    await initWebgpu({ precision: "f16", tiles });
    return on("webgpu", x, filter, run);
  }

  // Which have every program; to compile each of them takes a software driver seconds.
  it.each([0, 3, 5].map((i) => ({ name: CASES[i]![0], one: CASES[i]!, sizes: SIZES[i % SIZES.length]! })))(
    "have the bits of float16 without them, gradients too: $name, $sizes",
    async ({ one, sizes }) => {
      const [, x, filter, run] = one;
      const expected = await byThreads(one);
      const { info, count } = await emulate(sizes);
      expect(await on("webgpu", x, filter, run)).toEqual(expected);
      await info.guard.flush();
      expect(count()).toBe(3);
    },
    300_000,
  );

  it("have them with other tiles", async () => {
    const [, x, filter, run] = CASES[1]!;
    const expected = await byThreads(CASES[1]!);
    const { info, count } = await emulate([8, 16, 16]);
    const seen = await withOtherTiles(async () => expect(await on("webgpu", x, filter, run)).toEqual(expected), 3);
    expect(seen.size).toBe(3);
    await info.guard.flush();
    expect(count()).toBeGreaterThan(5);
  }, 300_000);

  it("have them where subgroups are smaller than the adapter's largest", async () => {
    const [, x, filter, run] = CASES[0]!;
    const expected = await byThreads(CASES[0]!);
    const { info, count } = await emulate([16, 16, 16], 4);
    expect(await on("webgpu", x, filter, run)).toEqual(expected);
    await info.guard.flush();
    expect(count()).toBe(3);
  }, 300_000);

  it("are tuned apart from float16 without them", async () => {
    const forward = (): void =>
      tf.tidy(() => {
        tf.conv3d(tf.ones([1, 5, 4, 4, 4]) as tf.Tensor5D, tf.ones([1, 1, 1, 4, 3]) as tf.Tensor5D, 1, "same");
      });
    const tune = async () => (await tuneWebgpu(forward)).tuned.map(({ name, tile }) => ({ name, tile }));
    await initWebgpu({ precision: "f16", tiles });
    const [plain] = await tune();
    const { info, count } = await emulate([16, 16, 16]);
    const [own] = await tune();
    await info.guard.flush();
    expect(plain!.name).toContain(" f16 ");
    expect(own!.name).toContain(` f16_16x16x16_${lanes} `);
    expect(plain!.tile).toMatch(/^\d+x8x/);
    expect(own!.tile).toMatch(/^\d+x16x(16|32)\//);
    expect(count()).toBeGreaterThan(1);
  }, 300_000);
});

describe("subgroupMatrices", () => {
  it("is refused by an adapter without them, with what to do; Dawn's experiments are on for it alone", async () => {
    const { create } = (await import("webgpu" as string)) as { create: ReturnType<typeof vi.fn> };
    await initWebgpu({ tiles });
    const refused = initWebgpu({ precision: "f16", subgroupMatrices: true, tiles });
    await expect(refused).rejects.toThrow(BackendError);
    await expect(refused).rejects.toThrow(
      half
        ? /subgroupMatrices needs chromium-experimental-subgroup-matrix, which the adapter lacks \(.*\): leave subgroupMatrices out/
        : /needs shader-f16/,
    );
    const experimental = ["enable-dawn-features=allow_unsafe_apis"];
    expect(create.mock.calls).toContainEqual([experimental]);
    const current = () => (globalThis as unknown as { navigator: { gpu: GPU } }).navigator.gpu;
    const made = (options: readonly string[]) =>
      create.mock.results.filter((_, i) => JSON.stringify(create.mock.calls[i]![0]) === JSON.stringify(options));
    expect(made(experimental).map(({ value }) => value)).toEqual([current()]);
    await initWebgpu({ tiles });
    expect(made([]).map(({ value }) => value)).toEqual([current()]);
  });

  it.skipIf(!half)("is refused where no sizes fit", async () => {
    const gpu = (globalThis as unknown as { navigator: { gpu: GPU } }).navigator.gpu;
    const claim = (sizes: [number, number, number], subgroup: number) =>
      initMatrices(gpu, { sizes, subgroup }, (code) => code);
    await expect(claim([16, 16, 32], 32)).rejects.toThrow(
      /needs subgroup matrices of float16 with float32 sums, 8 or 16 a side/,
    );
    await expect(claim([16, 16, 16], 0)).rejects.toThrow(/needs subgroups of 4 to 128 threads/);
  });

  it("needs float16 operands", async () => {
    const refused = initWebgpu({ subgroupMatrices: true, tiles });
    await expect(refused).rejects.toThrow(OptionError);
    await expect(refused).rejects.toThrow("subgroupMatrices needs precision 'f16', received 'f32'");
  });
});
