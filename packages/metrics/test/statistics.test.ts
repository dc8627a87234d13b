import { OptionError, ShapeError } from "@semiseg/errors";
import { bootstrapInterval, holmCorrection, summarizeValues, wilcoxonSignedRank } from "@semiseg/metrics";
import { describe, expect, it } from "vitest";

describe("wilcoxonSignedRank", () => {
  it("is exact without ties, as scipy", () => {
    const depression = [1.83, 0.5, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.3];
    const after = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29];
    expect(wilcoxonSignedRank(depression, after)).toEqual({
      statistic: 5,
      pValue: 0.0390625,
      pairs: 9,
      method: "exact",
    });
    const a = Array.from({ length: 40 }, (_, i) => Math.sin(i * 1.7));
    const b = a.map((v, i) => v + 0.3 * Math.cos(i * 2.3) - 0.05);
    const result = wilcoxonSignedRank(a, b);
    expect([result.statistic, result.method]).toEqual([308, "exact"]);
    expect(result.pValue).toBeCloseTo(0.17435350978121278, 10);
  });

  it("is exact with ties and equal pairs up to 13 pairs, as scipy", () => {
    const a = [125, 115, 130, 140, 140, 115, 140, 125, 140, 135];
    const b = [110, 122, 125, 120, 140, 124, 123, 137, 135, 145];
    expect(wilcoxonSignedRank(a, b)).toEqual({ statistic: 18, pValue: 0.6328125, pairs: 9, method: "exact" });
    const c = [8, 7, 9, 6, 7, 8, 3, 5, 4, 1, 2, 2, 9];
    const d = [7, 8, 8, 8, 6, 7, 7, 1, 1, 2, 5, 9, 9];
    expect(wilcoxonSignedRank(c, d)).toMatchObject({ statistic: 33, pValue: 0.69580078125, method: "exact" });
  });

  it("approximates with ties or many pairs, as scipy", () => {
    const a = [8, 7, 9, 6, 7, 8, 3, 5, 4, 1, 2, 2, 9, 3];
    const b = [7, 8, 8, 8, 6, 7, 7, 1, 1, 2, 5, 9, 9, 7];
    const tied = wilcoxonSignedRank(a, b);
    expect([tied.statistic, tied.pairs, tied.method]).toEqual([33.5, 13, "normal"]);
    expect(tied.pValue).toBeCloseTo(0.3958484823635787, 12);
    const u = Array.from({ length: 60 }, (_, i) => Math.sin(i * 1.7));
    const v = u.map((x, i) => x + 0.3 * Math.cos(i * 2.3) - 0.05);
    expect(wilcoxonSignedRank(u, v).pValue).toBeCloseTo(0.058500045334662486, 10);
  });

  it("does not depend on the order of the pairs nor on which side comes first; no difference has p 1", () => {
    const a = [0.8, 0.7, 0.9, 0.65, 0.71];
    const b = [0.75, 0.72, 0.8, 0.6, 0.7];
    const { pValue } = wilcoxonSignedRank(a, b);
    expect(wilcoxonSignedRank(b, a).pValue).toBe(pValue);
    expect(wilcoxonSignedRank([...a].reverse(), [...b].reverse()).pValue).toBe(pValue);
    expect(wilcoxonSignedRank(a, a).pValue).toBe(1);
  });

  it("refuses lists that are no pairs, and missing values", () => {
    expect(() => wilcoxonSignedRank([1], [1, 2])).toThrow(ShapeError);
    expect(() => wilcoxonSignedRank([1, Number.NaN], [1, 2])).toThrow(OptionError);
  });
});

describe("holmCorrection", () => {
  it("steps down, never falls, stays at most 1, and keeps the order of the input", () => {
    const corrected = holmCorrection([0.01, 0.04, 0.03, 0.005]);
    for (const [i, want] of [0.03, 0.06, 0.06, 0.02].entries()) expect(corrected[i]).toBeCloseTo(want, 12);
    expect(holmCorrection([0.9, 0.8])).toEqual([1, 1]);
    expect(holmCorrection([])).toEqual([]);
    expect(() => holmCorrection([1.2])).toThrow(OptionError);
  });
});

describe("summarizeValues", () => {
  it("leaves missing values out and counts them", () => {
    const { sd, ...rest } = summarizeValues([1, Number.NaN, 4, 2, 3]);
    expect(rest).toEqual({ mean: 2.5, median: 2.5, count: 4, missing: 1 });
    expect(sd).toBeCloseTo(Math.sqrt(5 / 3), 12);
    expect(summarizeValues([Number.NaN])).toEqual({
      mean: Number.NaN,
      sd: Number.NaN,
      median: Number.NaN,
      count: 0,
      missing: 1,
    });
    expect(summarizeValues([7])).toMatchObject({ mean: 7, sd: Number.NaN, median: 7 });
  });
});

describe("bootstrapInterval", () => {
  const values = Array.from({ length: 40 }, (_, i) => 0.8 + 0.05 * Math.sin(i * 1.3) - (i % 7 === 0 ? 0.2 : 0));

  it("holds the mean, is repeatable, grows with the confidence, and leans to the long tail", () => {
    const mean = values.reduce((a, b) => a + b, 0) / 40;
    const [low, high] = bootstrapInterval(values);
    expect(low).toBeLessThan(mean);
    expect(high).toBeGreaterThan(mean);
    expect(mean - low).toBeGreaterThan(high - mean);
    expect(bootstrapInterval(values)).toEqual([low, high]);
    const [lower, higher] = bootstrapInterval(values, { confidence: 0.99 });
    expect(lower).toBeLessThan(low);
    expect(higher).toBeGreaterThan(high);
  });

  it("agrees with the normal interval where the values are symmetric", () => {
    const symmetric = Array.from({ length: 200 }, (_, i) => Math.sin(i * 2.399963));
    const { mean, sd } = summarizeValues(symmetric);
    const half = (1.959964 * sd) / Math.sqrt(200);
    const [low, high] = bootstrapInterval(symmetric, { resamples: 4000 });
    expect(Math.abs(low - (mean - half))).toBeLessThan(0.1 * half);
    expect(Math.abs(high - (mean + half))).toBeLessThan(0.1 * half);
  });

  it("by percentiles has no correction: quantiles of the resampled means", () => {
    const [low, high] = bootstrapInterval(values, { method: "percentile" });
    const [bcaLow] = bootstrapInterval(values);
    expect(low).toBeGreaterThan(bcaLow);
    expect(high).toBeGreaterThan(low);
    expect(() => bootstrapInterval(values, { method: "basic" as never })).toThrow(OptionError);
  });

  it("of equal values is the value; too few or missing ones are refused", () => {
    expect(bootstrapInterval([2, 2, 2])).toEqual([2, 2]);
    expect(() => bootstrapInterval([1])).toThrow(OptionError);
    expect(() => bootstrapInterval([1, Number.NaN])).toThrow(OptionError);
    expect(() => bootstrapInterval([1, 2], { confidence: 1 })).toThrow(OptionError);
  });
});
