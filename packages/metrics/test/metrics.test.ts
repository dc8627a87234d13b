import { DataError, OptionError, SemisegError, ShapeError } from "@semiseg/errors";
import {
  averageSurfaceDistance,
  dice,
  distanceTransform,
  evaluateCase,
  expectedCalibrationError,
  hausdorffDistance,
  jaccard,
  normalizedSurfaceDice,
  relativeVolumeDifference,
} from "@semiseg/metrics";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ball, mm, shape } from "./helpers.js";

const yTrue = ball(12, [8, 24, 24]);
const yPred = ball(10, [8, 26, 25]);
const island = yPred.slice();
for (let y = 2; y < 5; y++) for (let x = 2; x < 5; x++) island[(2 * 48 + y) * 48 + x] = 1;

describe("two shifted balls, measured with the original libraries", () => {
  it("voxel counts are those of the fixture", () => {
    expect([yTrue, yPred].map((m) => m.reduce((a, b) => a + b, 0))).toEqual([2353, 1419]);
  });

  const pairs = [
    ["in mm", { yTrue, yPred, shape, spacing: mm }, [0.747614, 3.605551, 1.363527, 1.599342, 4.0, 0.612403]],
    ["spacing ignored", { yTrue, yPred, shape }, [0.747614, 3.0, 0.716143, 0.993857, 3.162278, 0.882429]],
    [
      "with a false positive island",
      { yTrue, yPred: island, shape, spacing: mm },
      [0.745834, 3.741657, 1.664866, 1.723972, 4.0, 0.608863],
    ],
  ] as const;
  for (const [name, pair, [dc, hd95, asd, assd, monaiHd95, nsd]] of pairs)
    it(`${name}: medpy's and MONAI's values`, () => {
      expect(dice(pair)).toBeCloseTo(dc, 6);
      expect(hausdorffDistance({ ...pair, percentile: 95 })).toBeCloseTo(hd95, 6);
      expect(averageSurfaceDistance(pair)).toBeCloseTo(asd, 6);
      expect(averageSurfaceDistance({ ...pair, symmetric: true })).toBeCloseTo(assd, 6);
      expect(hausdorffDistance({ ...pair, percentile: 95, dialect: "monai" })).toBeCloseTo(monaiHd95, 6);
      expect(normalizedSurfaceDice({ ...pair, tolerance: 2 })).toBeCloseTo(nsd, 6);
    });

  it("the maximum finds the island", () => {
    expect(hausdorffDistance({ yTrue, yPred: island, shape, spacing: mm })).toBeCloseTo(24.372115, 6);
  });

  it("evaluateCase gives the same numbers, one row per class and metric, with unit, dialect and policy", () => {
    const rows = evaluateCase({ yTrue, yPred, shape, spacing: mm, numClasses: 3 });
    const row = (c: number, metric: string) => rows.find((r) => r.class === c && r.metric === metric)!;
    expect(row(1, "dice").value).toBeCloseTo(0.747614, 6);
    expect(row(1, "hd95")).toMatchObject({ unit: "mm", dialect: "medpy", empty: "nan", missed: false });
    expect(row(1, "hd95").value).toBeCloseTo(3.605551, 6);
    expect(row(1, "volume error").value).toBeCloseTo(((1419 - 2353) * 3) / 1000, 9);
    expect(row(2, "dice").value).toBe(1);
    expect(row(2, "hd95").value).toBeNaN();
    expect(new Set(rows.map((r) => r.class))).toEqual(new Set([1, 2]));
  });
});

describe("empty masks", () => {
  const none = new Uint8Array(27);
  const one = new Uint8Array(27);
  one[13] = 1;
  const cube = [3, 3, 3];
  const at = (yt: Uint8Array, yp: Uint8Array, empty: "nan" | "worst" | "best") => ({
    yTrue: yt,
    yPred: yp,
    shape: cube,
    spacing: [2, 1, 1],
    empty,
  });
  it("one empty: overlap 0; distances NaN, the image diagonal or 0", () => {
    for (const [a, b] of [
      [none, one],
      [one, none],
    ] as const) {
      expect(dice(at(a, b, "nan"))).toBe(0);
      expect(jaccard(at(a, b, "nan"))).toBe(0);
      expect(normalizedSurfaceDice({ ...at(a, b, "nan"), tolerance: 1 })).toBe(0);
      expect(hausdorffDistance(at(a, b, "nan"))).toBeNaN();
      expect(averageSurfaceDistance(at(a, b, "worst"))).toBeCloseTo(Math.sqrt(36 + 9 + 9), 9);
      expect(hausdorffDistance(at(a, b, "best"))).toBe(0);
    }
  });
  it("both empty: overlap 1; distances 0, NaN under 'nan'", () => {
    expect(dice(at(none, none, "nan"))).toBe(1);
    expect(jaccard(at(none, none, "nan"))).toBe(1);
    expect(normalizedSurfaceDice({ ...at(none, none, "nan"), tolerance: 1 })).toBe(1);
    expect(hausdorffDistance(at(none, none, "nan"))).toBeNaN();
    expect(hausdorffDistance(at(none, none, "worst"))).toBe(0);
    expect(averageSurfaceDistance(at(none, none, "best"))).toBe(0);
    expect(relativeVolumeDifference(at(none, none, "nan"))).toBe(0);
    expect(relativeVolumeDifference(at(none, one, "nan"))).toBe(Number.POSITIVE_INFINITY);
  });
  it("a missed class is marked as missed", () => {
    expect(evaluateCase({ yTrue: one, yPred: none, shape: cube, numClasses: 2 }).every((row) => row.missed)).toBe(true);
    expect(evaluateCase({ yTrue: none, yPred: none, shape: cube, numClasses: 2 }).some((row) => row.missed)).toBe(
      false,
    );
  });
});

describe("distanceTransform", () => {
  it("equals brute force on random masks, 2-D and 3-D, anisotropic", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 2, maxLength: 3 }),
        fc.array(fc.constantFrom(0.5, 1, 1.7, 3), { minLength: 3, maxLength: 3 }),
        fc.infiniteStream(fc.boolean()),
        (dims, steps, bits) => {
          const size = dims.reduce((a, b) => a * b, 1);
          const mask = Uint8Array.from({ length: size }, () => (bits.next().value ? 1 : 0));
          const spacing = steps.slice(0, dims.length);
          const position = (i: number) =>
            dims.map((n, axis) => Math.floor(i / dims.slice(axis + 1).reduce((a, b) => a * b, 1)) % n);
          const got = distanceTransform(mask, dims, { spacing });
          for (let i = 0; i < size; i++) {
            let want = mask[i] ? Number.POSITIVE_INFINITY : 0;
            for (let j = 0; mask[i] && j < size; j++)
              if (!mask[j])
                want = Math.min(
                  want,
                  Math.hypot(...position(i).map((p, axis) => (p - position(j)[axis]!) * spacing[axis]!)),
                );
            expect(got[i]).toBeCloseTo(want, 5);
          }
        },
      ),
      { numRuns: 200, seed: 1 },
    );
  });
});

describe("symmetry", () => {
  it("swapping the masks leaves symmetric metrics and turns the one-way ones round", () => {
    const [a, b] = [
      { yTrue, yPred, shape, spacing: mm },
      { yTrue: yPred, yPred: yTrue, shape, spacing: mm },
    ];
    expect(dice(a)).toBe(dice(b));
    expect(hausdorffDistance({ ...a, percentile: 95 })).toBe(hausdorffDistance({ ...b, percentile: 95 }));
    expect(averageSurfaceDistance({ ...a, symmetric: true })).toBeCloseTo(
      averageSurfaceDistance({ ...b, symmetric: true }),
      12,
    );
    expect(averageSurfaceDistance(a)).not.toBeCloseTo(averageSurfaceDistance(b), 3);
  });
  it("identical masks: overlap 1, distances 0", () => {
    const same = { yTrue, yPred: yTrue, shape, spacing: mm };
    expect([dice(same), jaccard(same), hausdorffDistance(same), averageSurfaceDistance(same)]).toEqual([1, 1, 0, 0]);
  });
});

describe("expectedCalibrationError", () => {
  it("is 0 for a calibrated prediction and the gap for a confident wrong one", () => {
    expect(expectedCalibrationError({ yTrue: [1, 0], yPred: [0.5, 0.5], shape: [1, 2] })).toBe(0);
    expect(expectedCalibrationError({ yTrue: [0, 0], yPred: [0.9, 0.9], shape: [1, 2] })).toBeCloseTo(0.9, 12);
    expect(expectedCalibrationError({ yTrue: [1, 0, 1, 1], yPred: [1, 0.1, 0.6, 0.8], shape: [2, 2] })).toBeCloseTo(
      (0.1 + 0.4 + 0.2) / 4,
      12,
    );
  });
});

describe("malformed calls", () => {
  const good = { yTrue: new Uint8Array(8), yPred: new Uint8Array(8), shape: [2, 2, 2] };
  it("name what is wrong", () => {
    expect(() => dice({ ...good, yPred: new Uint8Array(7) })).toThrow(ShapeError);
    expect(() => dice({ ...good, yPred: new Uint8Array(8).fill(2) })).toThrow(DataError);
    expect(() => dice({ ...good, shape: [2, 4, 1, 1] })).toThrow("shape");
    expect(() => hausdorffDistance({ ...good, spacing: [1, 1, -1] })).toThrow(OptionError);
    expect(() => hausdorffDistance({ ...good, percentile: 101 })).toThrow("percentile");
    expect(() => evaluateCase({ ...good, numClasses: 1 })).toThrow("numClasses");
    expect(() => evaluateCase({ ...good, yTrue: new Uint8Array(8).fill(5), numClasses: 2 })).toThrow("classes 0 to 1");
    expect(() => averageSurfaceDistance({ ...good, dialect: "itk" as never })).toThrow("dialect");
  });

  it("10,000 of them always give a typed error", () => {
    const junk = fc.constantFrom<unknown>(
      Number.NaN,
      -1,
      0,
      0.5,
      2,
      null,
      undefined,
      "x",
      Number.POSITIVE_INFINITY,
      [],
      {},
    );
    const faults = [
      (v: unknown) => ({ yTrue: [1, 0, 0, v], bad: v !== 0 && v !== 1 }),
      (v: unknown) => ({ yPred: v, bad: true }),
      (v: unknown) => ({ shape: [2, v], bad: v !== 2 }),
      (v: unknown) => ({ spacing: [1, v], bad: !(typeof v === "number" && v > 0 && Number.isFinite(v)) }),
      (v: unknown) => ({ empty: v, bad: v !== undefined }),
      (v: unknown) => ({ dialect: v, bad: v !== undefined }),
      (v: unknown) => ({ yPred: [0, 1, v, 0], bad: v !== 0 && v !== 1 }),
      (v: unknown) => ({
        percentile: v,
        tolerance: v,
        symmetric: v,
        bad: v !== undefined && v !== 0 && v !== 0.5 && v !== 2,
      }),
      () => ({ shape: [0, 4], yTrue: [], yPred: [], bad: true }),
      () => ({ yTrue: [1, 0, 0], bad: true }),
      () => ({ shape: [2, 2, 1], spacing: [1, 1], bad: true }),
    ];
    const metrics = (["medpy", "monai", "deepmind"] as const).flatMap((dialect) => [
      (a: object) => hausdorffDistance({ dialect, ...a } as never),
      (a: object) => averageSurfaceDistance({ dialect, ...a } as never),
      (a: object) => normalizedSurfaceDice({ tolerance: 1, dialect, ...a } as never),
      (a: object) => evaluateCase({ numClasses: 2, dialect, ...a } as never),
    ]);
    fc.assert(
      fc.property(junk, fc.nat(faults.length - 1), fc.nat(metrics.length - 1), (value, fault, metric) => {
        const { bad, ...change } = faults[fault]!(value);
        fc.pre(bad);
        let error: unknown;
        try {
          metrics[metric]!({ yTrue: [0, 1, 0, 0], yPred: [0, 1, 1, 0], shape: [2, 2], ...change } as never);
        } catch (caught) {
          error = caught;
        }
        expect(error).toBeInstanceOf(SemisegError);
      }),
      { numRuns: 10_000, seed: 7 },
    );
  });
});
