import { DataError, OptionError, ShapeError } from "@semiseg/errors";
import { type Connectivity, connectedComponents, fillHoles, largestComponent } from "@semiseg/metrics";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

/** The same pseudo-random mask as in the Python script that measured the values below. */
function randomMask(shape: readonly number[], share: number, seed: number): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state / 2 ** 31 < share ? 1 : 0;
  });
}
const hash = (labels: Int32Array): number => labels.reduce((h, v) => (h * 31 + v) % 2 ** 31, 0);
const sum = (mask: ArrayLike<number>): number => Array.from(mask).reduce((a, b) => a + b, 0);

describe("scipy.ndimage's values", () => {
  // [shape, share, seed, connectivity, components, hash of the labels, voxels of the largest, voxels without holes]
  const cases: [number[], number, number, Connectivity, number, number, number, number][] = [
    [[9, 11, 13], 0.3, 1, 6, 94, 2022496835, 37, 374],
    [[9, 11, 13], 0.3, 1, 18, 8, 1859999356, 363, 374],
    [[9, 11, 13], 0.3, 1, 26, 3, 838067538, 369, 374],
    [[9, 11, 13], 0.12, 2, 6, 98, 610688828, 11, 154],
    [[9, 11, 13], 0.12, 2, 18, 42, 585208616, 49, 154],
    [[9, 11, 13], 0.12, 2, 26, 23, 1229072279, 78, 154],
    [[5, 7, 40], 0.5, 3, 6, 27, 357855717, 409, 702],
    [[5, 7, 40], 0.5, 3, 18, 1, 1754890183, 697, 702],
    [[31, 37], 0.45, 4, 4, 106, 1604307430, 106, 764],
    [[31, 37], 0.45, 4, 8, 16, 1520035466, 520, 764],
    [[31, 37], 0.62, 5, 4, 47, 990345395, 467, 1038],
    [[31, 37], 0.62, 5, 8, 4, 1398508709, 681, 1038],
  ];
  for (const [shape, share, seed, connectivity, count, code, largest, filled] of cases)
    it(`labels, largest component and filled holes of ${shape.join("x")} at ${share}, connectivity ${connectivity}`, () => {
      const mask = randomMask(shape, share, seed);
      const components = connectedComponents(mask, shape, { connectivity });
      expect([components.count, hash(components.labels)]).toEqual([count, code]);
      expect(sum(largestComponent(mask, shape, { connectivity }))).toBe(largest);
      expect(sum(fillHoles(mask, shape))).toBe(filled);
    });

  it("a hole of another background connectivity", () => {
    const mask = randomMask([31, 37], 0.45, 4);
    expect(sum(fillHoles(mask, [31, 37], { connectivity: 8 }))).toBe(554);
  });
});

describe("components", () => {
  it("are equivalence classes of touching voxels, whatever the shape", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 2, maxLength: 3 }),
        fc.nat(2),
        fc.infiniteStream(fc.boolean()),
        (shape, choice, bits) => {
          const mask = Uint8Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => (bits.next().value ? 1 : 0));
          const [connectivity, order] =
            shape.length === 3
              ? ([6, 18, 26] as const).map((c, i) => [c, i + 1] as const)[choice]!
              : ([4, 8] as const).map((c, i) => [c, i + 1] as const)[choice % 2]!;
          const { labels, count } = connectedComponents(mask, shape, { connectivity });
          const position = (i: number) =>
            shape.map((n, axis) => Math.floor(i / shape.slice(axis + 1).reduce((a, b) => a * b, 1)) % n);
          // Flood fill, one voxel after the other.
          const want = new Int32Array(mask.length);
          let found = 0;
          for (let i = 0; i < mask.length; i++) {
            if (mask[i] === 0 || want[i] !== 0) continue;
            want[i] = ++found;
            for (const stack = [i]; stack.length > 0; ) {
              const at = position(stack.pop()!);
              for (let j = 0; j < mask.length; j++) {
                const steps = position(j).map((p, axis) => Math.abs(p - at[axis]!));
                if (mask[j] === 0 || want[j] !== 0 || Math.max(...steps) > 1 || sum(steps) > order) continue;
                want[j] = found;
                stack.push(j);
              }
            }
          }
          expect(count).toBe(found);
          expect(labels).toEqual(want);
        },
      ),
      { numRuns: 300, seed: 3 },
    );
  });

  it("the first of equally large ones is the largest; an empty mask has none", () => {
    expect([...largestComponent([1, 0, 1, 1, 0, 1, 1, 0], [1, 8])]).toEqual([0, 0, 1, 1, 0, 0, 0, 0]);
    expect([...largestComponent([0, 0], [1, 2])]).toEqual([0, 0]);
    expect(connectedComponents([0, 0], [1, 2])).toEqual({ labels: new Int32Array(2), count: 0 });
  });

  it("a hollow cube is filled; a cube with a way out is not", () => {
    const cube = Uint8Array.from({ length: 125 }, (_, i) => (i === 62 ? 0 : 1));
    expect(sum(fillHoles(cube, [5, 5, 5]))).toBe(125);
    const open = cube.slice();
    open[62 + 5] = 0;
    open[62 + 10] = 0;
    expect(sum(fillHoles(open, [5, 5, 5]))).toBe(122);
    expect([...fillHoles([0, 0], [1, 2])]).toEqual([0, 0]);
  });

  it("input that does not fit is refused by name, and no input is changed", () => {
    for (const f of [connectedComponents, largestComponent, fillHoles]) {
      expect(() => f([1, 0], [1, 3])).toThrow(ShapeError);
      expect(() => f([1, 2], [1, 2])).toThrow(DataError);
      expect(() => f([1, 0], [1, 2], { connectivity: 26 })).toThrow(OptionError);
      expect(() => f([1, 0], [1, 1, 2], { connectivity: 4 })).toThrow("connectivity");
      const mask = [1, 0, 1];
      f(mask, [1, 3]);
      expect(mask).toEqual([1, 0, 1]);
    }
  });
});
