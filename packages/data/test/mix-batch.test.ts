import { batchPlan, createBatchLoader, openDataset, pasteForeground } from "@semiseg/data";
import { ShapeError } from "@semiseg/errors";
import { describe, expect, it } from "vitest";

const dataset = await openDataset({
  kind: "phantom",
  shape: [20, 18, 10],
  organs: 2,
  train: 6,
  validation: 0,
  test: 0,
});
const ids = dataset.cases.map((c) => c.id);
const plan = batchPlan({
  labeled: ids.slice(0, 3),
  unlabeled: ids.slice(3),
  labeledBatchSize: 2,
  unlabeledBatchSize: 2,
  seed: 5,
});
const size = 8 * 8 * 6;
const base = { dataset, plan, patchSize: [8, 8, 6], seed: 11, workers: 0 } as const;
const batch = (augment: object, step = 0, more: object = {}) =>
  createBatchLoader({ ...base, augment: { foregroundProbability: 1, ...augment }, ...more }).next(step);
const slotOf = <T extends Float32Array | Int32Array>(values: T, slot: number) =>
  values.subarray(slot * size, (slot + 1) * size);

describe("pasteForeground", () => {
  it("takes labelled voxels from one patch and the rest from the other, channels together", () => {
    const inside = Float32Array.from([1, 2, 3, 4, 5, 6]);
    const labels = Uint8Array.from([0, 2, 1]);
    expect(Array.from(pasteForeground(inside, new Float32Array(6), labels, 2))).toEqual([0, 0, 3, 4, 5, 6]);
    expect(Array.from(pasteForeground(labels, new Uint8Array(3).fill(9), labels, 1))).toEqual([9, 2, 1]);
    expect(() => pasteForeground(inside, new Float32Array(5), labels, 2)).toThrow(ShapeError);
  });
});

describe("CutMix in batches", () => {
  it("puts a recorded box of another item of the same kind into an item, labels with it", async () => {
    const plain = await batch({});
    expect(plain.mixes).toBeUndefined();
    const mixed = await batch({ cutMix: 1, cutMixRatio: [0.5, 0.5] });
    expect(mixed.mixes!.map(({ slot, from }) => [slot, from])).toEqual([
      [0, 1],
      [1, 0],
      [2, 3],
      [3, 2],
    ]);
    for (const { slot, from, piece } of mixed.mixes!) {
      if (piece === "foreground") throw new Error("a box was expected");
      expect(piece.size).toEqual([4, 4, 3]);
      for (let v = 0; v < size; v++) {
        const at = [Math.floor(v / 48), Math.floor((v % 48) / 6), v % 6];
        const inside = at.every((x, a) => x >= piece.start[a]! && x < piece.start[a]! + piece.size[a]!);
        const origin = inside ? from : slot;
        expect(slotOf(mixed.image, slot)[v]).toBe(slotOf(plain.image, origin)[v]);
        if (slot < 2) expect(slotOf(mixed.labels, slot)[v]).toBe(slotOf(plain.labels, origin)[v]);
      }
    }
    expect(mixed.pasted).toBeUndefined();
  });

  it("has nothing to mix when there is one item of a kind", async () => {
    const one = { plan: () => ({ labeled: [ids[0]!], unlabeled: [] }) };
    expect((await batch({ cutMix: 1 }, 0, one)).mixes).toEqual([]);
  });
});

describe("copy-paste in batches", () => {
  it("puts a labelled item's foreground into unlabelled ones and says which voxels are known", async () => {
    const [plain, mixed] = await Promise.all([batch({}), batch({ copyPaste: 1 })]);
    expect(mixed.labels).toEqual(plain.labels);
    expect(mixed.mixes!.map((m) => [m.slot, m.piece])).toEqual([
      [2, "foreground"],
      [3, "foreground"],
    ]);
    expect(mixed.pasted).toHaveLength(2 * size);
    for (const { slot, from } of mixed.mixes!) {
      expect(from).toBeLessThan(2);
      const labels = slotOf(plain.labels, from);
      expect(labels.some((c) => c > 0)).toBe(true);
      for (let v = 0; v < size; v++) {
        const known = labels[v]! > 0;
        expect(slotOf(mixed.image, slot)[v]).toBe(slotOf(plain.image, known ? from : slot)[v]);
        expect(slotOf(mixed.pasted!, slot - 2)[v]).toBe(known ? labels[v] : -1);
      }
    }
  });

  it("pastes boxes with their background when asked to, after CutMix, in the strong view alike", async () => {
    const strong = { noise: [0.5, 0.5], noiseProbability: 1 } as const;
    const augment = { cutMix: 1, copyPaste: 1, copyPasteMode: "box" };
    const mixed = await batch(augment, 3, { strong });
    const weak = await batch(augment, 3);
    expect(mixed.image).toEqual(weak.image);
    expect(mixed.mixes!.map((m) => m.slot)).toEqual([0, 1, 2, 2, 3, 3]);
    const differences = mixed.strong!.map((x, v) => x - mixed.image[v]!);
    const deviation = Math.sqrt(differences.reduce((sum, x) => sum + x * x, 0) / differences.length);
    expect(Math.abs(deviation - 0.5)).toBeLessThan(0.05); // a piece of another place would differ by far more
    const last = mixed.mixes!.at(-1)!;
    const known = slotOf(mixed.pasted!, 1).filter((c) => c >= 0).length;
    if (last.piece === "foreground") throw new Error("a box was expected");
    expect(known).toBe(last.piece.size.reduce((a, b) => a * b, 1));
  });

  it("depends on seed and step alone, and happens with the given probability", async () => {
    expect(await batch({ copyPaste: 0.5, cutMix: 0.5 }, 4)).toEqual({
      ...(await batch({ copyPaste: 0.5, cutMix: 0.5 }, 4)),
      waitedMs: expect.any(Number),
    });
    const loader = createBatchLoader({ ...base, augment: { copyPaste: 0.3 } });
    let count = 0;
    for (let step = 0; step < 60; step++) count += (await loader.next(step)).mixes!.length;
    expect(Math.abs(count / 120 - 0.3)).toBeLessThan(0.15);
  });
});
