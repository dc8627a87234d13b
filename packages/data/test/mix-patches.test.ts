import { drawMixBox, mixPatches } from "@semiseg/data";
import { OptionError, ShapeError } from "@semiseg/errors";
import { RandomSource } from "@semiseg/random";
import { describe, expect, it } from "vitest";

describe("mixPatches", () => {
  it("takes the box from one patch and the rest from the other, channels together, and changes neither", () => {
    const [inside, outside] = [new Float32Array(24).fill(1), new Float32Array(24)];
    const mixed = mixPatches(inside, outside, [3, 4], 2, { start: [1, 2], size: [2, 1] });
    expect(Array.from(mixed)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0]);
    expect(outside.every((x) => x === 0)).toBe(true);
  });

  it("mixes labels by the same box as images, and both ways is a partition", () => {
    const size = [4, 5, 6];
    const a = Uint8Array.from({ length: 120 }, (_, n) => n);
    const b = a.map((x) => x + 120) as Uint8Array;
    const box = drawMixBox(size, 2 / 3, new RandomSource(1));
    expect(box.size).toEqual([3, 3, 4]);
    const [ab, ba] = [mixPatches(a, b, size, 1, box), mixPatches(b, a, size, 1, box)];
    for (let n = 0; n < 120; n++) expect(ab[n]! + ba[n]!).toBe(a[n]! + b[n]!);
    expect(ab.filter((x) => x < 120)).toHaveLength(36);
  });

  it("draws every position equally often and refuses what does not fit", () => {
    const starts = new Set(
      Array.from({ length: 200 }, (_, n) => drawMixBox([4, 6], 0.5, new RandomSource(n)).start.join()),
    );
    expect(starts.size).toBe(12);
    expect(() => drawMixBox([4, 4], 0, new RandomSource(1))).toThrow(OptionError);
    const four = new Float32Array(4);
    expect(() => mixPatches(four, new Float32Array(5), [2, 2], 1, { start: [0, 0], size: [1, 1] })).toThrow(ShapeError);
    expect(() => mixPatches(four, four, [2, 2], 1, { start: [1, 0], size: [2, 1] })).toThrow(OptionError);
  });
});
