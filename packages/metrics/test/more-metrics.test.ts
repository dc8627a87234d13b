import { DataError, OptionError, SemisegError, ShapeError } from "@semiseg/errors";
import {
  adaptiveCalibrationError,
  boundaryIoU,
  brierScore,
  dice,
  distanceTransform,
  evaluateCase,
  jaccard,
  lesionDetection,
  precision,
  recall,
  relativeVolumeDifference,
  riskCoverage,
  specificity,
  uncertaintyErrorAuroc,
  volumeError,
} from "@semiseg/metrics";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

const line = [1, 8];
const yTrue = [1, 1, 1, 0, 0, 0, 0, 0];
const yPred = [0, 1, 1, 1, 1, 0, 0, 0];
const none = new Uint8Array(8);

describe("precision, recall and specificity", () => {
  it("are shares of prediction, truth and background", () => {
    const pair = { yTrue, yPred, shape: line };
    expect(precision(pair)).toBe(2 / 4);
    expect(recall(pair)).toBe(2 / 3);
    expect(specificity(pair)).toBe(3 / 5);
  });

  it("are 1 for two empty masks; precision and recall are 0 for one", () => {
    const both = { yTrue: none, yPred: none, shape: line };
    expect([precision(both), recall(both), specificity(both)]).toEqual([1, 1, 1]);
    for (const pair of [
      { yTrue, yPred: none, shape: line },
      { yTrue: none, yPred: yTrue, shape: line },
    ])
      expect([precision(pair), recall(pair)]).toEqual([0, 0]);
    expect(specificity({ yTrue: [1, 1], yPred: [0, 1], shape: [1, 2] })).toBe(1);
  });

  it("evaluateCase has them per class", () => {
    const rows = evaluateCase({ yTrue, yPred, shape: line, numClasses: 2 });
    const value = (metric: string) => rows.find((row) => row.metric === metric)?.value;
    expect([value("precision"), value("recall"), value("specificity")]).toEqual([2 / 4, 2 / 3, 3 / 5]);
    const flat = evaluateCase({ yTrue, yPred, shape: line, spacing: [2, 0.5], numClasses: 2 });
    expect(flat.find((row) => row.metric === "volume error")).toMatchObject({ value: 1, unit: "mm2" });
  });
});

describe("volumeError", () => {
  it("is in ml, positive for too large a prediction, and needs three spacings", () => {
    const pair = { yTrue, yPred, shape: [1, 1, 8] };
    expect(volumeError({ ...pair, spacing: [5, 10, 20] })).toBe(1);
    expect(volumeError({ yTrue: yPred, yPred: yTrue, shape: [2, 2, 2], spacing: [5, 10, 20] })).toBe(-1);
    expect(() => volumeError(pair)).toThrow(OptionError);
    expect(() => volumeError({ ...pair, shape: line, spacing: [1, 1] })).toThrow("spacing");
  });
});

describe("boundaryIoU", () => {
  const square = (n: number, from: number, to: number): Uint8Array =>
    Uint8Array.from({ length: n * n }, (_, i) => {
      const [y, x] = [Math.floor(i / n), i % n];
      return y >= from && y < to && x >= from && x < to ? 1 : 0;
    });

  it("compares rings: squares of 6 and 8 with bands of one voxel do not meet, of two meet in the small one's outline", () => {
    const pair = { yTrue: square(10, 1, 9), yPred: square(10, 2, 8), shape: [10, 10] };
    expect(boundaryIoU({ ...pair, distance: 1 })).toBe(0);
    // Bands of two: 64 - 16 and 36 - 4 voxels; both hold the ring of 20 voxels between.
    expect(boundaryIoU({ ...pair, distance: 2 })).toBe(20 / (48 + 32 - 20));
  });

  it("is Jaccard for a band wider than the masks, in mm, and the image border is a boundary", () => {
    const pair = { yTrue: square(10, 0, 8), yPred: square(10, 3, 10), shape: [10, 10], spacing: [3, 1] };
    expect(boundaryIoU({ ...pair, distance: 99 })).toBe(jaccard(pair));
    const full = { yTrue: new Uint8Array(25).fill(1), yPred: square(5, 1, 4), shape: [5, 5] };
    expect(boundaryIoU({ ...full, distance: 1 })).toBe(0);
    const deep = new Uint8Array(27).fill(1);
    expect(boundaryIoU({ yTrue: deep, yPred: deep, shape: [3, 3, 3], distance: 1 })).toBe(1);
    const cored = deep.slice();
    cored[13] = 0;
    // One voxel thick: the core is in neither band, so filling it changes nothing.
    expect(boundaryIoU({ yTrue: deep, yPred: cored, shape: [3, 3, 3], distance: 1 })).toBe(1);
    expect(boundaryIoU({ yTrue: none, yPred: none, shape: line, distance: 1 })).toBe(1);
    expect(() => boundaryIoU({ yTrue: none, yPred: none, shape: line, distance: 0 })).toThrow(OptionError);
  });
});

describe("lesionDetection", () => {
  const strip = (text: string): number[] => [...text].map((c) => (c === "#" ? 1 : 0));

  it("counts found, missed and false lesions", () => {
    const pair = { yTrue: strip("##..###..#..##"), yPred: strip(".#...#.#....##"), shape: [1, 14] };
    expect(lesionDetection(pair)).toEqual({
      trueLesions: 4,
      predictedLesions: 4,
      found: 3,
      missed: 1,
      falsePositives: 1,
      sensitivity: 3 / 4,
      precision: 3 / 4,
      f1: 6 / 8,
    });
    // With half of each needed, the lesion of three with one voxel found is missed; its prediction is still right.
    expect(lesionDetection({ ...pair, minOverlap: 0.5 })).toMatchObject({ found: 2, missed: 2, falsePositives: 1 });
  });

  it("one prediction may find two lesions; connectivity decides what is one", () => {
    expect(lesionDetection({ yTrue: strip("##..##"), yPred: strip(".####."), shape: [1, 6] })).toMatchObject({
      trueLesions: 2,
      predictedLesions: 1,
      found: 2,
      falsePositives: 0,
      f1: 1,
    });
    const diagonal = { yTrue: [1, 0, 0, 1], yPred: [1, 0, 0, 0], shape: [2, 2] };
    expect(lesionDetection(diagonal)).toMatchObject({ trueLesions: 1, found: 1 });
    expect(lesionDetection({ ...diagonal, connectivity: 4 })).toMatchObject({ trueLesions: 2, missed: 1 });
  });

  it("what is undefined is NaN; no lesion at all is a perfect F1", () => {
    const empty = lesionDetection({ yTrue: none, yPred: none, shape: line });
    expect(empty).toMatchObject({ sensitivity: Number.NaN, precision: Number.NaN, f1: 1 });
    expect(lesionDetection({ yTrue: none, yPred, shape: line })).toMatchObject({ sensitivity: Number.NaN, f1: 0 });
    expect(() => lesionDetection({ yTrue, yPred, shape: line, minOverlap: 2 })).toThrow(OptionError);
  });
});

describe("calibration", () => {
  const shape = [1, 6];
  const p = [0.1, 0.2, 0.4, 0.6, 0.7, 0.9];
  const y = [0, 0, 1, 0, 1, 1];

  it("Brier is the mean squared error of the probability", () => {
    expect(brierScore({ yTrue: y, yPred: p, shape })).toBeCloseTo((0.01 + 0.04 + 0.36 + 0.36 + 0.09 + 0.01) / 6, 12);
    expect(brierScore({ yTrue: y, yPred: y, shape })).toBe(0);
  });

  it("adaptive bins hold equally many voxels", () => {
    // Bins of two: |0.3 - 0| / 2, |1.0 - 1| / 2, |1.6 - 2| / 2, averaged.
    expect(adaptiveCalibrationError({ yTrue: y, yPred: p, shape, bins: 3 })).toBeCloseTo((0.15 + 0 + 0.2) / 3, 12);
    expect(adaptiveCalibrationError({ yTrue: y, yPred: p, shape, bins: 1 })).toBeCloseTo(Math.abs(2.9 - 3) / 6, 12);
    // More bins than voxels: one voxel each.
    expect(adaptiveCalibrationError({ yTrue: y, yPred: p, shape, bins: 50 })).toBeCloseTo(
      (0.1 + 0.2 + 0.6 + 0.6 + 0.3 + 0.1) / 6,
      12,
    );
  });

  it("equal probabilities are one group: their order does not matter, and a calibrated one has no error", () => {
    const tied = { yTrue: [1, 0, 1, 0], yPred: [0.5, 0.5, 0.5, 0.5], shape: [2, 2], bins: 3 };
    expect(adaptiveCalibrationError(tied)).toBeCloseTo(0, 12);
    expect(adaptiveCalibrationError({ ...tied, yTrue: [1, 1, 0, 0] })).toBeCloseTo(0, 12);
  });

  it("refuses what is no probability", () => {
    for (const f of [brierScore, adaptiveCalibrationError]) {
      expect(() => f({ yTrue: [0, 1], yPred: [0.5, 1.5], shape: [1, 2] })).toThrow(DataError);
      expect(() => f({ yTrue: [0, 1], yPred: [0.5], shape: [1, 2] })).toThrow(ShapeError);
    }
    expect(() => adaptiveCalibrationError({ yTrue: [0], yPred: [0], shape: [1, 1], bins: 0 })).toThrow(OptionError);
  });
});

describe("uncertainty", () => {
  const shape = [1, 5];
  const labels = { yTrue: [2, 0, 1, 1, 0], yPred: [2, 0, 0, 1, 1], shape };

  it("AUROC is the share of (wrong, right) pairs in which the wrong one is less sure, ties half", () => {
    expect(uncertaintyErrorAuroc({ ...labels, uncertainty: [0.1, 0.2, 0.8, 0.3, 0.9] })).toBe(1);
    expect(uncertaintyErrorAuroc({ ...labels, uncertainty: [0.5, 0.5, 0.5, 0.5, 0.5] })).toBe(0.5);
    expect(uncertaintyErrorAuroc({ ...labels, uncertainty: [0.1, 0.5, 0.5, 0.7, 0.6] })).toBeCloseTo(
      (1 + 0.5 + 0 + 1 + 1 + 0) / 6,
      12,
    );
    expect(uncertaintyErrorAuroc({ yTrue: [1], yPred: [1], uncertainty: [0], shape: [1, 1] })).toBeNaN();
  });

  it("risk grows as less sure voxels are kept; the area is the mean risk of the surest k", () => {
    const { coverage, risk, area } = riskCoverage({
      ...labels,
      uncertainty: [0.1, 0.3, 0.2, 0.4, 0.9],
      points: 5,
    });
    expect([...coverage]).toEqual([0.2, 0.4, 0.6, 0.8, 1]);
    const want = [0, 1 / 2, 1 / 3, 1 / 4, 2 / 5];
    for (const [i, r] of want.entries()) expect(risk[i]).toBeCloseTo(r, 12);
    expect(area).toBeCloseTo(want.reduce((a, b) => a + b, 0) / 5, 12);
    // All equally sure: the error rate at every coverage.
    const flat = riskCoverage({ ...labels, uncertainty: [1, 1, 1, 1, 1], points: 3 });
    for (const r of flat.risk) expect(r).toBeCloseTo(2 / 5, 12);
    expect(flat.area).toBeCloseTo(2 / 5, 12);
  });

  it("neither depends on the order of voxels nor on a rising rescale of the uncertainty", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(2), fc.nat(2), fc.nat(5)), { minLength: 2, maxLength: 12 }), (voxels) => {
        const of = (list: typeof voxels, scale: (u: number) => number) => ({
          yTrue: list.map(([t]) => t),
          yPred: list.map(([, q]) => q),
          uncertainty: list.map(([, , u]) => scale(u)),
          shape: [1, list.length],
        });
        const a = of(voxels, (u) => u);
        const b = of([...voxels].reverse(), (u) => Math.exp(u) - 7);
        expect(uncertaintyErrorAuroc(a)).toBe(uncertaintyErrorAuroc(b));
        expect(riskCoverage(a).area).toBe(riskCoverage(b).area);
      }),
      { numRuns: 200, seed: 5 },
    );
  });

  it("refuses what does not fit", () => {
    for (const f of [uncertaintyErrorAuroc, riskCoverage]) {
      expect(() => f({ ...labels, uncertainty: [0, 0, 0, 0, Number.NaN] })).toThrow(DataError);
      expect(() => f({ ...labels, uncertainty: [0] })).toThrow(ShapeError);
      expect(() => f({ ...labels, yPred: [0.5, 0, 0, 0, 0], uncertainty: [0, 0, 0, 0, 0] })).toThrow("yPred");
    }
    expect(() => riskCoverage({ ...labels, uncertainty: [0, 0, 0, 0, 0], points: 0 })).toThrow(OptionError);
  });
});

describe("malformed masks, shapes and spacings", () => {
  it("always give a typed error, in every function of a pair of masks", () => {
    const junk = fc.constantFrom<unknown>(
      Number.NaN,
      -1,
      0.5,
      2,
      256,
      null,
      undefined,
      "x",
      Number.POSITIVE_INFINITY,
      [],
      {},
    );
    const good = { yTrue: [0, 1, 0, 0], yPred: [0, 1, 1, 0], shape: [2, 2], spacing: [1, 2] };
    const faults: ((v: unknown) => object)[] = [
      (v) => ({ yTrue: [1, 0, 0, v] }),
      (v) => ({ yTrue: v }),
      (v) => ({ yTrue: Float32Array.from([0, 1, 0, typeof v === "number" ? v : 7]) }),
      (v) => ({ shape: [v === 2 ? 3 : v, 2] }),
      (v) => ({ shape: v }),
      (v) => ({ spacing: [1, typeof v === "number" && v > 0 && v < 1e9 ? -v : v] }),
      () => ({ yTrue: new Uint8Array(0), shape: [0, 2] }),
    ];
    type Pair = typeof good;
    const functions: ((pair: Pair) => unknown)[] = [
      dice,
      jaccard,
      precision,
      recall,
      specificity,
      relativeVolumeDifference,
      (pair) => boundaryIoU({ ...pair, distance: 1 }),
      lesionDetection,
      ({ yTrue, shape, spacing }) => distanceTransform(yTrue, shape, { spacing }),
    ];
    fc.assert(
      fc.property(junk, fc.nat(faults.length - 1), fc.nat(functions.length - 1), (value, fault, f) => {
        let error: unknown;
        try {
          functions[f]!({ ...good, ...faults[fault]!(value) } as Pair);
        } catch (caught) {
          error = caught;
        }
        expect(error).toBeInstanceOf(SemisegError);
      }),
      { numRuns: 3000, seed: 11 },
    );
  });
});
