import { type AugmentOptions, applyPatch, drawPatch, type PreparedCase } from "@semiseg/data";
import { OptionError } from "@semiseg/errors";
import { RandomSource } from "@semiseg/random";
import { describe, expect, it } from "vitest";
import { cropPad } from "../src/transforms/crop-pad.js";
import { cutBox } from "../src/transforms/cut-box.js";
import { composeMoves, flipMove, inverseMove, moveAxes, rot90Move } from "../src/transforms/move-axes.js";
import { resample, resampledSize } from "../src/transforms/resample.js";

const count = (n: number) => Float32Array.from({ length: n }, (_, i) => i);

/** A case whose image is its own voxel index and whose label is a function of it. */
function numbered(spatial: number[], label: (v: number) => number = (v) => v % 7): PreparedCase {
  const voxels = spatial.reduce((a, b) => a * b, 1);
  const zeros = spatial.map(() => 0);
  return {
    id: "n",
    image: count(voxels),
    imageShape: [...spatial, 1],
    labels: Uint8Array.from({ length: voxels }, (_, v) => label(v)),
    spacing: spatial.map(() => 1),
    affine: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1],
    record: {
      originalShape: spatial,
      originalSpacing: zeros,
      originalAffine: [],
      permutation: [0, 1, 2],
      flips: [],
      resampledShape: spatial,
      resampledSpacing: zeros,
      cropStart: zeros,
      cropSize: spatial,
      padBefore: zeros,
      padAfter: zeros,
    },
  };
}

const draws = (prepared: PreparedCase, size: number[], options: AugmentOptions | false, n: number) =>
  Array.from({ length: n }, (_, i) => drawPatch(prepared, size, options, new RandomSource(3).fork(i)));

describe("moveAxes", () => {
  const m = count(6); // [[0, 1, 2], [3, 4, 5]]
  it("turns by quarters as numpy.rot90", () => {
    const turned = [0, 1, 2, 3].map((k) => moveAxes(m, [2, 3], 1, rot90Move(2, k, [0, 1])));
    expect(turned.map((t) => t.spatial)).toEqual([
      [2, 3],
      [3, 2],
      [2, 3],
      [3, 2],
    ]);
    expect(turned.map((t) => Array.from(t.data))).toEqual([
      [0, 1, 2, 3, 4, 5],
      [2, 5, 1, 4, 0, 3],
      [5, 4, 3, 2, 1, 0],
      [3, 0, 4, 1, 5, 2],
    ]);
    expect(moveAxes(m, [2, 3], 1, rot90Move(2, -1, [0, 1])).data).toEqual(turned[3]!.data);
  });

  it("flips one axis and keeps channels together", () => {
    expect(Array.from(moveAxes(m, [2, 3], 1, flipMove(2, 1)).data)).toEqual([2, 1, 0, 5, 4, 3]);
    expect(Array.from(moveAxes(m, [3], 2, { permutation: [0], flips: [true] }).data)).toHaveLength(6);
    expect(Array.from(moveAxes(count(8), [2, 2], 2, flipMove(2, 0)).data)).toEqual([4, 5, 6, 7, 0, 1, 2, 3]);
  });

  it("composes and inverts", () => {
    const random = new RandomSource(1);
    for (let trial = 0; trial < 50; trial++) {
      const draw = () => {
        const turn = rot90Move(3, random.integers(0, 4, 1)[0]!, [random.integers(0, 2, 1)[0]!, 2]);
        return random.next() < 0.5 ? turn : composeMoves(turn, flipMove(3, random.integers(0, 3, 1)[0]!));
      };
      const [first, second] = [draw(), draw()];
      const once = moveAxes(count(24), [2, 3, 4], 1, first);
      const twice = moveAxes(once.data, once.spatial, 1, second);
      const composed = moveAxes(count(24), [2, 3, 4], 1, composeMoves(first, second));
      expect(composed).toEqual(twice);
      expect(moveAxes(once.data, once.spatial, 1, inverseMove(first)).data).toEqual(count(24));
    }
  });
});

describe("cropPad", () => {
  it("crops inside, fills outside, with several channels", () => {
    expect(Array.from(cropPad(count(12), [3, 4], 1, [1, 1], [2, 2]))).toEqual([5, 6, 9, 10]);
    expect(Array.from(cropPad(count(4), [2, 2], 1, [-1, 0], [4, 3], 9))).toEqual([9, 9, 9, 0, 1, 9, 2, 3, 9, 9, 9, 9]);
    expect(Array.from(cropPad(count(8), [1, 2, 2], 2, [0, 1, 0], [1, 1, 3]))).toEqual([4, 5, 6, 7, 0, 0]);
    expect(Array.from(cropPad(count(4), [2, 2], 1, [5, 5], [1, 2]))).toEqual([0, 0]);
  });
});

describe("cutBox", () => {
  it("is a crop with padding followed by the axis moves, for every move, place and number of channels", () => {
    const random = new RandomSource(5);
    for (let trial = 0; trial < 300; trial++) {
      const rank = 2 + (trial % 2);
      const draw = (lo: number, hi: number) => Array.from(random.integers(lo, hi, rank));
      const [spatial, size, start, channels] = [draw(1, 7), draw(1, 8), draw(-4, 6), 1 + (trial % 3)];
      const turn = rot90Move(rank, random.integers(0, 4, 1)[0]!, trial % 5 ? [0, 1] : [rank - 2, rank - 1]);
      const move = composeMoves(turn, flipMove(rank, random.integers(0, rank, 1)[0]!));
      const data = count(spatial.reduce((a, b) => a * b, channels)).map((x) => x + 1);
      const want = moveAxes(cropPad(data, spatial, channels, start, size), size, channels, move).data;
      expect(cutBox(data, spatial, channels, start, size, move)).toEqual(want);
    }
  });
});

describe("resample", () => {
  it("keeps the extent, interpolates linearly and repeats edges", () => {
    expect(resampledSize([10, 7], [1, 2], [2, null])).toEqual([5, 7]);
    const coarse = resample(Float32Array.from([0, 2, 4, 6]), [4], 1, [2], [2], "linear");
    expect(Array.from(coarse)).toEqual([1, 5]);
    const fine = resample(Float32Array.from([0, 10, 4, 20]), [2], 2, [4], [0.5], "linear");
    expect(Array.from(fine)).toEqual([0, 10, 1, 12.5, 3, 17.5, 4, 20]);
    expect(Array.from(resample(Uint8Array.from([1, 9]), [2], 1, [4], [0.5], "nearest"))).toEqual([1, 1, 9, 9]);
  });
});

describe("drawPatch", () => {
  it("draws every crop position equally often, first and last included", () => {
    const starts = draws(numbered([6, 5, 4]), [4, 5, 2], { rot90Axes: null }, 3000).map((r) => r.start);
    const seen = [new Map<number, number>(), new Map<number, number>(), new Map<number, number>()];
    for (const start of starts) for (const [a, s] of start.entries()) seen[a]!.set(s, (seen[a]!.get(s) ?? 0) + 1);
    expect(seen.map((m) => [...m.keys()].sort())).toEqual([[0, 1, 2], [0], [0, 1, 2]]);
    for (const n of seen[0]!.values()) expect(Math.abs(n - 1000)).toBeLessThan(130); // five deviations
  });

  it("pads only the axes that are too short, on both sides", () => {
    const [record] = draws(numbered([3, 8]), [6, 4], { rot90Axes: null, flipProbability: 0 }, 1);
    expect(record!.start[0]).toBe(-1);
    expect(record!.start[1]).toBeGreaterThanOrEqual(0);
    const { image } = applyPatch(numbered([3, 8]), record!);
    expect(Array.from(image.subarray(0, 4))).toEqual([0, 0, 0, 0]);
    expect(Array.from(image.subarray(16))).toEqual(new Array(8).fill(0));
    expect(image[4]).toBe(record!.start[1]);
  });

  it("takes the centre and changes nothing without augmentation", () => {
    const prepared = numbered([5, 4]);
    for (const record of draws(prepared, [3, 2], false, 5))
      expect(Array.from(applyPatch(prepared, record).image)).toEqual([5, 6, 9, 10, 13, 14]);
  });

  it("moves image and labels alike, whatever the crop, turn and flip", () => {
    const prepared = numbered([7, 6, 5]);
    for (const record of draws(prepared, [4, 4, 6], { rot90Axes: [0, 2] }, 200)) {
      const { image, labels } = applyPatch(prepared, record);
      expect(image).toHaveLength(96);
      for (let v = 0; v < 96; v++) if (image[v] !== 0) expect(labels![v]).toBe(image[v]! % 7);
    }
  });

  it("reaches all 16 moves of three flips and quarter turns by default, and half turns only off the square", () => {
    const kinds = (size: number[], options: AugmentOptions) =>
      new Set(draws(numbered([9, 9, 9]), size, options, 600).map((r) => `${r.permutation}|${r.flips}`));
    expect(kinds([4, 4, 2], {}).size).toBe(16);
    expect(kinds([4, 3, 2], {}).size).toBe(8);
    expect(kinds([4, 3, 2], { rot90Axes: [0, 1] }).size).toBe(16);
    expect(kinds([4, 4, 2], { rot90Axes: null, flipAxes: [2] }).size).toBe(2);
    expect(kinds([4, 4, 2], { rot90Axes: null, flipProbability: 0 }).size).toBe(1);
  });

  it("reaches the four reflections only, equally often, in reference mode", () => {
    const times = new Map<string, number>();
    for (const r of draws(numbered([6, 6, 4]), [4, 4, 2], { mode: "reference" }, 2000)) {
      const key = `${r.permutation}|${r.flips}`;
      times.set(key, (times.get(key) ?? 0) + 1);
    }
    expect([...times.keys()].sort()).toEqual([
      "0,1,2|false,true,false",
      "0,1,2|true,false,false",
      "1,0,2|false,false,false",
      "1,0,2|true,true,false",
    ]);
    for (const n of times.values()) expect(Math.abs(n - 500)).toBeLessThan(100);
  });

  it("centres on foreground when asked to, each class equally often, inside the volume", () => {
    const prepared = numbered([12, 12], (v) => (v === 13 ? 1 : v >= 100 ? 2 : 0));
    const patches = draws(prepared, [3, 3], { foregroundProbability: 1 }, 400).map((r) => applyPatch(prepared, r));
    const small = patches.filter((p) => p.labels!.includes(1)).length;
    expect(Math.abs(small - 200)).toBeLessThan(50);
    expect(patches.every((p) => p.labels!.some((l) => l > 0))).toBe(true);
    const unlabeled = { ...prepared, labels: null };
    expect(draws(unlabeled, [3, 3], { foregroundProbability: 1 }, 3)).toHaveLength(3);
  });

  it("changes intensities by recorded numbers, so the same record gives the same patch", () => {
    const prepared = numbered([8, 8]);
    const options: AugmentOptions = {
      noise: [0.1, 0.2],
      noiseProbability: 1,
      brightness: [1.5, 2],
      brightnessProbability: 1,
      gamma: [0.5, 2],
      gammaProbability: 1,
      flipProbability: 0,
      rot90Axes: null,
    };
    const [record] = draws(prepared, [8, 8], options, 1);
    expect(record!.intensity.map((c) => c.kind)).toEqual(["brightness", "gamma", "noise"]);
    const again = JSON.parse(JSON.stringify(record));
    expect(applyPatch(prepared, again)).toEqual(applyPatch(prepared, record!));
    const [brightness, gamma] = record!.intensity as unknown as [{ factor: number }, { exponent: number }];
    const { image } = applyPatch(prepared, { ...record!, intensity: record!.intensity.slice(0, 2) });
    expect(image[63]).toBeCloseTo(63 * brightness.factor, 3);
    expect(image[21]).toBeCloseTo(63 * brightness.factor * (21 / 63) ** gamma.exponent, 3);
    expect(prepared.image).toEqual(count(64));
  });

  it("keeps one change as it was when another is switched on", () => {
    const prepared = numbered([8, 8]);
    const alone = draws(prepared, [8, 8], { noise: [0.1, 0.2] }, 20).map((r) =>
      r.intensity.filter((c) => c.kind === "noise"),
    );
    const both = draws(prepared, [8, 8], { noise: [0.1, 0.2], gamma: [0.5, 2] }, 20);
    expect(both.map((r) => r.intensity.filter((c) => c.kind === "noise"))).toEqual(alone);
  });

  it("refuses options out of range when a loader is made", async () => {
    const { createBatchLoader, openDataset } = await import("@semiseg/data");
    const dataset = await openDataset({ kind: "phantom", shape: [16, 16] });
    for (const augment of [
      { flipAxes: [2] },
      { rot90Axes: [0, 0] as const },
      { flipProbability: 2 },
      { noise: [1, 0] as const },
      { gamma: [0, 1] as const },
      { mode: "x" as "reference" },
    ])
      expect(
        () =>
          createBatchLoader({
            dataset,
            plan: () => ({ labeled: [], unlabeled: [] }),
            patchSize: [8, 8],
            seed: 1,
            augment,
          }),
        JSON.stringify(augment),
      ).toThrow(OptionError);
  });
});
