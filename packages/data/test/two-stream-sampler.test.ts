import { batchPlan, twoStreamSampler } from "@semiseg/data";
import { OptionError } from "@semiseg/errors";
import { RandomSource } from "@semiseg/random";
import { describe, expect, it } from "vitest";

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
const make = (labeled: number, unlabeled: number, batchSize = 4, secondaryBatchSize = 2, seed = 7) =>
  twoStreamSampler({
    primaryIndices: range(0, labeled),
    secondaryIndices: range(labeled, labeled + unlabeled),
    batchSize,
    secondaryBatchSize,
    random: new RandomSource(seed),
  });

describe("twoStreamSampler", () => {
  it("puts labelled indices first in every batch", () => {
    for (const batch of make(6, 10)) {
      expect(batch).toHaveLength(4);
      expect(batch.slice(0, 2).every((i) => i < 6)).toBe(true);
      expect(batch.slice(2).every((i) => i >= 6)).toBe(true);
    }
  });

  it("passes once over the labelled indices per epoch, leaving an incomplete batch out", () => {
    const sampler = make(7, 5);
    expect(sampler.batchesPerEpoch).toBe(3);
    for (let epoch = 0; epoch < 5; epoch++) {
      const labeled = [...sampler].flatMap((b) => b.slice(0, 2));
      expect(new Set(labeled).size).toBe(6);
    }
  });

  it("uses every unlabelled index equally often over whole passes, in a new order each pass", () => {
    const sampler = make(4, 6);
    const stream = range(0, 9).flatMap((step) => sampler.at(step).slice(2));
    const passes = [stream.slice(0, 6), stream.slice(6, 12), stream.slice(12, 18)];
    for (const pass of passes) expect([...pass].sort()).toEqual([4, 5, 6, 7, 8, 9]);
    expect(passes[0]).not.toEqual(passes[1]);
  });

  it("gives the batch of any step without having given the ones before", () => {
    const all = make(8, 12);
    const batches = [...all, ...all, ...all];
    const fresh = make(8, 12);
    for (const step of [11, 0, 5, 7, 3]) expect(fresh.at(step)).toEqual(batches[step]);
    expect(make(8, 12, 4, 2, 8).at(0)).not.toEqual(batches[0]);
  });

  it("works with labelled indices only", () => {
    expect([...make(4, 0, 2, 0)].flat().sort()).toEqual([0, 1, 2, 3]);
  });

  it("refuses streams that cannot fill a batch", () => {
    expect(() => make(1, 10)).toThrow(/primaryIndices must hold at least the 2 indices of one batch, received 1/);
    expect(() => make(4, 1)).toThrow(/secondaryIndices/);
    expect(() => make(4, 4, 2, 2)).toThrow(OptionError);
    expect(() => make(4, 4).at(-1)).toThrow(OptionError);
  });
});

describe("batchPlan", () => {
  const labeled = ["a", "b", "c"];
  const unlabeled = ["u", "v", "w", "x"];

  it("gives case ids per step, the same ones for the same seed", () => {
    const options = { labeled, unlabeled, labeledBatchSize: 2, unlabeledBatchSize: 2, seed: 3 };
    const [one, two] = [batchPlan(options), batchPlan(options)];
    for (const step of [9, 0, 100]) {
      expect(one(step)).toEqual(two(step));
      expect(one(step).labeled.every((id) => labeled.includes(id))).toBe(true);
      expect(one(step).unlabeled.every((id) => unlabeled.includes(id))).toBe(true);
    }
    const used = new Set(range(0, 40).flatMap((step) => one(step).labeled));
    expect(used.size).toBe(3);
  });

  it("repeats cases where there are fewer than a batch needs", () => {
    const plan = batchPlan({ labeled: ["a"], unlabeled: [], labeledBatchSize: 3, unlabeledBatchSize: 0, seed: 1 });
    expect(plan(4)).toEqual({ labeled: ["a", "a", "a"], unlabeled: [] });
  });

  it("refuses empty streams", () => {
    expect(() => batchPlan({ labeled: [], unlabeled, labeledBatchSize: 1, unlabeledBatchSize: 0, seed: 1 })).toThrow(
      OptionError,
    );
    expect(() => batchPlan({ labeled, unlabeled: [], labeledBatchSize: 1, unlabeledBatchSize: 1, seed: 1 })).toThrow(
      /unlabeled is empty/,
    );
  });
});
