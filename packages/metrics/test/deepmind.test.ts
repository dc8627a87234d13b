import {
  averageSurfaceDistance,
  evaluateCase,
  hausdorffDistance,
  type MaskPair,
  normalizedSurfaceDice,
} from "@semiseg/metrics";
import { describe, expect, it } from "vitest";
import { elementAreas } from "../src/surface/element-areas.js";
import { pairwiseSum, weightedPercentileOf } from "../src/surface/percentile.js";
import { ball, mm, shape } from "./helpers.js";

const dialect = "deepmind";
const yTrue = ball(12, [8, 24, 24]);
const yPred = ball(10, [8, 26, 25]);
const island = yPred.slice();
for (let y = 2; y < 5; y++) for (let x = 2; x < 5; x++) island[(2 * 48 + y) * 48 + x] = 1;

describe("two shifted balls, measured with surface-distance", () => {
  const pairs: [name: string, pair: MaskPair, values: [hd95: number, there: number, back: number, nsd: number]][] = [
    ["in mm", { yTrue, yPred, shape, spacing: mm }, [3.605551, 1.526645, 1.186116, 0.67393]],
    ["spacing ignored", { yTrue, yPred, shape }, [3.0, 1.026501, 0.621298, 0.901278]],
    [
      "with a false positive island",
      { yTrue, yPred: island, shape, spacing: mm },
      [3.605551, 1.526645, 1.687401, 0.666875],
    ],
  ];
  for (const [name, pair, [hd95, there, back, nsd]] of pairs)
    it(`${name}: its values`, () => {
      expect(hausdorffDistance({ ...pair, percentile: 95, dialect })).toBeCloseTo(hd95, 6);
      expect(averageSurfaceDistance({ ...pair, symmetric: false, dialect })).toBeCloseTo(back, 6);
      const turned = { ...pair, yTrue: pair.yPred, yPred: pair.yTrue };
      expect(averageSurfaceDistance({ ...turned, symmetric: false, dialect })).toBeCloseTo(there, 6);
      expect(averageSurfaceDistance({ ...pair, dialect })).toBeCloseTo((there + back) / 2, 6);
      expect(normalizedSurfaceDice({ ...pair, tolerance: 2, dialect })).toBeCloseTo(nsd, 6);
    });

  it("evaluateCase gives the same numbers", () => {
    const rows = evaluateCase({ yTrue, yPred, shape, spacing: mm, numClasses: 2, dialect, tolerance: 2 });
    const row = (metric: string) => rows.find((r) => r.metric === metric)!;
    expect(row("hd95")).toMatchObject({ unit: "mm", dialect: "deepmind" });
    expect(row("hd95").value).toBeCloseTo(3.605551, 6);
    expect(row("asd").value).toBeCloseTo((1.526645 + 1.186116) / 2, 6);
    expect(row("assd").value).toBe(row("asd").value);
    expect(row("nsd@2mm").value).toBeCloseTo(0.67393, 6);
  });
});

describe("surface elements", () => {
  const one = (spacing: readonly number[]) => ({
    yTrue: new Uint8Array(spacing.length === 3 ? 27 : 9).fill(1),
    shape: spacing.map(() => 3),
    spacing,
    dialect,
  });

  it("lie half a voxel around the mask: a voxel's corners and a block's are the spacing apart", () => {
    for (const spacing of [
      [4, 2],
      [4, 2, 1],
    ]) {
      const big = one(spacing);
      const small = { ...big, yPred: new Uint8Array(big.yTrue.length) };
      small.yPred[(big.yTrue.length - 1) / 2] = 1;
      expect(hausdorffDistance(small as never)).toBeCloseTo(Math.hypot(...spacing), 12);
      expect(normalizedSurfaceDice({ ...(small as MaskPair), dialect, tolerance: 0.9 })).toBe(0);
    }
  });

  it("of a plane have the area of a voxel's face, of an edge the length of its cut", () => {
    const areas = elementAreas([3, 2, 0.5]);
    // Both corners of one side along each axis.
    expect([areas[0b11110000], areas[0b11001100], areas[0b10101010]]).toEqual([1, 1.5, 6]);
    expect([areas[0], areas[255]]).toEqual([0, 0]);
    // One corner: the triangle through the middles of its edges.
    expect(areas[1]).toBeCloseTo(0.125 * Math.hypot(2 * 0.5, 3 * 0.5, 3 * 2), 12);
    expect([...elementAreas([3, 4])].slice(0, 8)).toEqual([0, 2.5, 2.5, 4, 2.5, 3, 5, 2.5]);
  });

  it("of a cube's turns and mirror images have the same area, in voxels", () => {
    const areas = elementAreas([1, 1, 1]);
    const corners = Array.from({ length: 8 }, (_, i) => [i >> 2, (i >> 1) & 1, i & 1]);
    const permutations = [
      [0, 1, 2],
      [0, 2, 1],
      [1, 0, 2],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0],
    ];
    for (let code = 0; code < 256; code++)
      for (const order of permutations)
        for (let flips = 0; flips < 8; flips++) {
          let moved = 0;
          for (let i = 0; i < 8; i++) {
            if (((code >> (7 - i)) & 1) === 0) continue;
            const [z, y, x] = order.map((axis, k) => corners[i]![axis]! ^ ((flips >> k) & 1));
            moved |= 1 << (7 - (4 * z! + 2 * y! + x!));
          }
          expect(Math.abs(areas[moved]! - areas[code]!)).toBeLessThan(1e-12);
        }
  });

  it("are 16 codes' lengths in two dimensions and 256 codes' areas in three, in the order of the reference", () => {
    // The sum and a weighted sum of surface-distance's own tables.
    const checks = (spacing: readonly number[]) => {
      const areas = elementAreas(spacing);
      return [areas.reduce((a, b) => a + b, 0), areas.reduce((a, b, i) => a + b * Math.sin(i), 0)];
    };
    for (const [spacing, want] of REFERENCE)
      for (const k of [0, 1]) expect(checks(spacing)[k]).toBeCloseTo(want[k]!, 9);
  });
});

const REFERENCE: [spacing: number[], sums: [number, number]][] = [
  [
    [3, 2, 0.5],
    [817.07726397425, 13.390994195923476],
  ],
  [
    [1, 1, 1],
    [241.34313970553745, 3.001265008752834],
  ],
  [
    [0.7, 1.3, 2.9],
    [591.6622968920756, 9.3589641069107],
  ],
  [
    [0.7, 1.3],
    [12.858893836140041, 0.8822269116085129],
  ],
];

describe("weightedPercentileOf", () => {
  it("is the first value up to which that share of the weight lies", () => {
    const values = Float64Array.from([3, 1, 2, 2]);
    const weights = Float64Array.from([1, 5, 1, 3]);
    const at = (percentile: number) => weightedPercentileOf(values, weights, percentile);
    expect([0, 49, 50, 51, 90, 91, 100].map(at)).toEqual([1, 1, 1, 2, 2, 3, 3]);
  });

  it("sums as numpy does", () => {
    const values = Float64Array.from({ length: 1000 }, (_, i) => 1 / (i + 3));
    const exact = values.reduce((a, b) => a + b, 0);
    expect(pairwiseSum(values, 0, 1000)).toBeCloseTo(exact, 12);
    expect(pairwiseSum(values, 0, 7)).toBe(values.slice(0, 7).reduce((a, b) => a + b, 0));
    expect(pairwiseSum(values, 0, 1000)).toBe(NUMPY_SUM);
  });
});

/** `numpy.sum` of 1 / 3 to 1 / 1002. */
const NUMPY_SUM = 5.987467865541362;
