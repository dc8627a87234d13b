import "@tensorflow/tfjs";
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { gemmSettings, type SeenGemm } from "../src/gemm-settings.js";
import { candidateTiles, tileName } from "../src/gemm-tile.js";
import { initWebgpu, type WebgpuInfo } from "../src/index.js";
import { conv, expectClose, on, transposed } from "./helpers/convolutions.js";

let info: WebgpuInfo;
beforeAll(async () => {
  info = await initWebgpu({ tiles: { get: () => null, set: () => {} } });
});

const settings = () => gemmSettings(tf.backend() as unknown as WebGPUBackend);
const limits = {
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
  maxComputeWorkgroupStorageSize: 16384,
};
const size = { rows: 4096, columns: 64, terms: 512 };

describe("candidate tiles", () => {
  it("are eight at most, the default first, and need no more than every WebGPU device has", () => {
    const tiles = candidateTiles(size, [16, 32], limits);
    expect(tileName(tiles[0]!)).toBe("32x64x16/64");
    expect(tiles.length).toBeGreaterThan(4);
    expect(tiles.length).toBeLessThanOrEqual(8);
    for (const { rows, columns, depth, threads } of tiles) {
      expect(4 * depth * (rows + columns)).toBeLessThanOrEqual(16384);
      expect(threads).toBeLessThanOrEqual(256);
      expect((rows * columns) / threads).toBeLessThanOrEqual(32);
    }
  });

  it("leave out what a device has no threads or memory for, and what is mostly empty", () => {
    const few = candidateTiles(size, [16, 32], { ...limits, maxComputeInvocationsPerWorkgroup: 128 });
    expect(few.every(({ threads }) => threads === 64)).toBe(true);
    const small = candidateTiles(size, [16, 32], { ...limits, maxComputeWorkgroupStorageSize: 8192 });
    expect(small.map(tileName)).not.toContain("128x64x16/256");
    expect(candidateTiles({ ...size, rows: 16 }, [16], limits).map(tileName)).toEqual(["32x64x16/64"]);
  });
});

const CASES = [
  ["channels of no round number", [2, 5, 4, 6, 5], [3, 3, 3, 5, 7], conv(1, "valid")],
  ["32 to 72 channels, stride 2", [1, 9, 7, 5, 32], [2, 2, 2, 32, 72], conv(2, "same")],
  ["a filter gradient in parts", [1, 11, 9, 6, 2], [3, 3, 3, 2, 3], conv(1, "same")],
  ["transposed 2x2x2 with stride 2", [2, 4, 3, 5, 16], [2, 2, 2, 2, 16], transposed([2, 8, 6, 10, 2], 2, "valid")],
] as const;

describe("every tile gives the cpu backend's values and gradients, and the same bits as the default", () => {
  it.each(CASES)(
    "%s",
    async (_, x, filter, run) => {
      const expected = await on("cpu", x, filter, run);
      await tf.setBackend("webgpu");
      const seen = new Map<string, SeenGemm>();
      settings().tiles.clear();
      settings().seen = seen;
      const standard = await on("webgpu", x, filter, run);
      settings().seen = null;
      expect(seen.size).toBe(3);
      const most = Math.max(...[...seen.values()].map(({ candidates }) => candidates.length));
      expect(most).toBeGreaterThan(3);
      for (let i = 0; i < most; i++) {
        for (const [name, { candidates }] of seen)
          settings().tiles.set(name, tileName(candidates[i % candidates.length]!));
        const received = await on("webgpu", x, filter, run);
        await info.guard.flush();
        expectClose(received, expected, 2e-5);
        expect(received).toEqual(standard);
      }
    },
    300_000,
  );
});
