import type * as metrics from "@semiseg/metrics";
import { afterEach, describe, expect, it, vi } from "vitest";

/** A fresh copy of the package, in a runtime with or without WebAssembly. */
async function load(withWasm: boolean): Promise<typeof metrics> {
  vi.resetModules();
  if (!withWasm) vi.stubGlobal("WebAssembly", undefined);
  return import("@semiseg/metrics");
}

afterEach(() => {
  vi.unstubAllGlobals();
  vi.resetModules();
});

describe("WebAssembly", () => {
  // Not multiples of the kernel's eight, and more voxels than it takes to be used.
  const shape = [29, 37, 43];
  const size = 29 * 37 * 43;
  const noise = (share: number) =>
    Uint8Array.from({ length: size }, (_, i) => ((Math.imul(i + 1, 0x9e3779b1) >>> 0) / 2 ** 32 < share ? 1 : 0));

  it("and plain JavaScript give the same distances to the last bit", async () => {
    const spacing = [2.5, 0.7, 1.3];
    const masks = [noise(0.001), noise(0.3), noise(0.999), new Uint8Array(size).fill(1)];
    const measure = ({ distanceTransform, hausdorffDistance, averageSurfaceDistance }: typeof metrics) => [
      ...masks.map((mask) => distanceTransform(mask, shape, { spacing })),
      ...(["medpy", "monai", "deepmind"] as const).flatMap((dialect) => {
        const pair = { yTrue: masks[0]!, yPred: masks[1]!, shape, spacing, dialect };
        return [hausdorffDistance(pair), averageSurfaceDistance({ ...pair, symmetric: true })];
      }),
    ];
    const fast = measure(await load(true));
    const plain = measure(await load(false));
    expect(fast).toEqual(plain);
    const sums = fast.slice(0, 4).map((values) => (values as Float32Array).reduce((a, b) => a + b, 0));
    expect(sums[0]).toBeGreaterThan(0);
    expect(sums[3]).toBe(Number.POSITIVE_INFINITY);
  });

  it("has room for volumes of every size", async () => {
    const { distancePass } = await import("../src/surface/distance-kernel.js");
    // Steps of a few bytes, so that the last array ends near every place in a page of memory.
    for (let w = 1000; w < 1400; w++) {
      const seeds = new Uint8Array(33 * w).fill(1, 0, 5);
      for (const voxels of [undefined, Int32Array.from({ length: 7 }, (_, i) => i)])
        expect(distancePass(seeds, [1, 33, w], [1, 1, 1], voxels)).not.toBeNull();
    }
  });

  it("is in use where the runtime has it and the volume is worth it", async () => {
    const { distancePass } = await import("../src/surface/distance-kernel.js");
    expect(distancePass(noise(0.5), [29, 37, 43], [1, 1, 1])).not.toBeNull();
    expect(distancePass(new Uint8Array(8), [2, 2, 2], [1, 1, 1])).toBeNull();
  });
});
