import { type AugmentOptions, applyPatch, drawPatch, type PatchRecord, restorePatch } from "@semiseg/data";
import { OptionError, ShapeError } from "@semiseg/errors";
import { RandomSource } from "@semiseg/random";
import { describe, expect, it } from "vitest";
import { cropPad } from "../src/transforms/crop-pad.js";
import { drawWarp } from "../src/transforms/draw-warp.js";
import { elasticField } from "../src/transforms/elastic-field.js";
import { moveAxes, rot90Move } from "../src/transforms/move-axes.js";
import { warp } from "../src/transforms/warp.js";
import { numberedCase } from "./helpers/numbered-case.js";

const still: AugmentOptions = { rot90Axes: null, flipProbability: 0 };
const sure = { rotationProbability: 1, scalingProbability: 1, elasticProbability: 1 } as const;
const whole = (spatial: readonly number[], warp?: PatchRecord["warp"]): PatchRecord => ({
  start: spatial.map(() => 0),
  size: spatial,
  permutation: spatial.map((_, a) => a),
  flips: spatial.map(() => false),
  intensity: [],
  ...(warp ? { warp } : {}),
});
const coordinates = (v: number, [, ny, nz]: readonly number[]) => {
  const plane = ny! * nz!;
  return [Math.floor(v / plane), Math.floor((v % plane) / nz!), v % nz!] as const;
};
/** A ball of 8 mm around the middle, with a smaller one of another class in it, off the middle. */
function balls(spatial: readonly number[], spacing: readonly number[]) {
  const distance = (v: number, shift: number) => {
    const at = coordinates(v, spatial);
    return Math.hypot(...at.map((x, a) => (x - (spatial[a]! - 1) / 2) * spacing[a]! - (a === 0 ? shift : 0)));
  };
  return (v: number) => (distance(v, 3) < 4 ? 2 : distance(v, 0) < 8 ? 1 : 0);
}

describe("warp", () => {
  it("is a crop with zeros around it when nothing is turned", () => {
    const random = new RandomSource(1);
    for (let trial = 0; trial < 20; trial++) {
      const spatial = Array.from(random.integers(3, 8, 3));
      const size = Array.from(random.integers(1, 10, 3));
      const start = Array.from(random.integers(-3, 4, 3));
      const prepared = numberedCase(spatial, { image: (v) => v + 1 });
      const matrix = [1, 0, 0, 0, 1, 0, 0, 0, 1];
      const straight = applyPatch(prepared, { ...whole(size), start });
      expect(applyPatch(prepared, { ...whole(size, { matrix }), start })).toEqual(straight);
    }
  });

  it("turns by 90 degrees as a quarter turn does, about every axis, with several channels", () => {
    const data = Float32Array.from({ length: 250 }, (_, v) => v);
    for (const axis of [0, 1, 2]) {
      const plane = [0, 1, 2].filter((a) => a !== axis) as [number, number];
      const options = { rotation: [90, 90], rotationAxes: [axis], ...sure } as const;
      const { matrix } = drawWarp(options, [1, 1, 1], new RandomSource(1))!;
      const centre = [2, 2, 2];
      const map = { size: [5, 5, 5], sourceCentre: centre, targetCentre: centre, matrix };
      const turned = warp(data, [5, 5, 5], 2, map);
      const quarter = moveAxes(data, [5, 5, 5], 2, rot90Move(3, 1, plane)).data;
      expect(Math.max(...turned.map((x, v) => Math.abs(x - quarter[v]!)))).toBeLessThan(1e-3);
    }
  });

  it("interpolates an image linearly: a linear image stays linear, at any angle", () => {
    const spatial = [12, 11, 10];
    const linear = (p: readonly number[]) => 2 * p[0]! - 3 * p[1]! + 0.5 * p[2]!;
    const prepared = numberedCase(spatial, { image: (v) => linear(coordinates(v, spatial)) });
    const random = new RandomSource(4);
    const matrix = drawWarp({ rotation: [-30, 30], scaling: [0.9, 1.3], ...sure }, [1, 1, 1], random)!.matrix;
    const { image } = applyPatch(prepared, { ...whole([4, 4, 4], { matrix }), start: [4, 4, 3] });
    for (let v = 0; v < 64; v++) {
      const offset = coordinates(v, [4, 4, 4]).map((x) => x - 1.5);
      const at = [5.5, 5.5, 4.5].map((c, r) => c + offset.reduce((sum, o, k) => sum + matrix[3 * r + k]! * o, 0));
      expect(image[v]).toBeCloseTo(linear(at), 4);
    }
  });

  it("takes the nearest voxel for labels, so that no class appears between two others", () => {
    const spatial = [20, 20, 20];
    const prepared = numberedCase(spatial, { label: (v) => (coordinates(v, spatial)[0] < 10 ? 0 : 5) });
    const options = { ...still, rotation: [-40, 40], scaling: [0.7, 1.4], elastic: [1, 2], ...sure } as const;
    const seen = new Set<number>();
    for (let n = 0; n < 10; n++) {
      const record = drawPatch(prepared, [16, 16, 16], options, new RandomSource(n));
      for (const label of applyPatch(prepared, record).labels!) seen.add(label);
    }
    expect([...seen].sort()).toEqual([0, 5]);
  });

  it("turns in millimetres: a ball on an anisotropic grid stays the same ball", () => {
    const spatial = [39, 39, 17];
    const spacing = [0.5, 0.5, 1.25];
    const ball = balls(spatial, spacing);
    const prepared = numberedCase(spatial, { label: (v) => +(ball(v) > 0), spacing });
    const before = prepared.labels!.reduce((a, b) => a + b, 0);
    for (let n = 0; n < 5; n++) {
      const options = { ...still, rotation: [-60, 60], ...sure } as const;
      const record = drawPatch(prepared, spatial, options, new RandomSource(n));
      const turned = applyPatch(prepared, record).labels!;
      const both = turned.reduce((sum, x, v) => sum + (x & prepared.labels![v]!), 0);
      const dice = (2 * both) / (before + turned.reduce((a, b) => a + b, 0));
      expect(dice).toBeGreaterThan(0.93);
      const product = record.warp!.matrix;
      expect(product[2]! * product[0]! + product[5]! * product[3]!).not.toBeCloseTo(0, 3); // not a rotation in voxels
    }
  });

  it("enlarges by the factor: twice as large is eight times the volume", () => {
    const spatial = [25, 25, 25];
    const ball = balls(spatial, [2, 2, 2]);
    const prepared = numberedCase(spatial, { label: (v) => +(ball(v) > 0), spacing: [2, 2, 2] });
    const options = { ...still, scaling: [2, 2], ...sure } as const;
    const record = drawPatch(prepared, spatial, options, new RandomSource(1));
    const count = (labels: Uint8Array) => labels.reduce((a, b) => a + b, 0);
    const grown = count(applyPatch(prepared, record).labels!) / count(prepared.labels!);
    expect(Math.abs(grown - 8)).toBeLessThan(0.8);
  });

  it("works on planes", () => {
    const prepared = numberedCase([9, 9]);
    const options = { ...still, rotation: [90, 90], ...sure } as const;
    const record = drawPatch(prepared, [9, 9], options, new RandomSource(1));
    const quarter = moveAxes(prepared.labels!, [9, 9], 1, rot90Move(2, 1, [0, 1])).data;
    expect(applyPatch(prepared, record).labels).toEqual(quarter);
  });
});

describe("the elastic deformation", () => {
  it("has the wanted root mean square along each axis, is smooth, and comes again from its seed", () => {
    const size = [40, 36, 32];
    const elastic = { deviation: 2, spacing: 8, seed: 11 };
    const fields = elasticField(size, elastic);
    expect(fields).toHaveLength(3);
    for (const field of fields) {
      expect(field).toHaveLength(40 * 36 * 32);
      const rms = Math.sqrt(field.reduce((sum, x) => sum + x * x, 0) / field.length);
      expect(Math.abs(rms - 2)).toBeLessThan(0.3);
      let steepest = 0;
      for (let v = 1; v < field.length; v++)
        if (v % 32) steepest = Math.max(steepest, Math.abs(field[v]! - field[v - 1]!));
      expect(steepest).toBeLessThan(2.5);
    }
    expect(fields[0]).not.toEqual(fields[1]);
    const again = elasticField(size, elastic);
    expect(again.every((field, a) => field.every((x, v) => x === fields[a]![v]))).toBe(true);
    expect(elasticField([5, 6], { ...elastic, spacing: 3 }).map((f) => f.length)).toEqual([30, 30]);
  });

  it("moves labels with the image", () => {
    const spatial = [32, 32, 24];
    const ball = balls(spatial, [1, 1, 1]);
    const prepared = numberedCase(spatial, { image: (v) => 100 * ball(v), label: ball });
    const options = { ...still, elastic: [2, 3], ...sure } as const;
    const { image, labels } = applyPatch(prepared, drawPatch(prepared, spatial, options, new RandomSource(2)));
    expect(labels).not.toEqual(prepared.labels);
    let apart = 0;
    image.forEach((x, v) => {
      if (Math.abs(x - 100 * labels![v]!) > 100) apart++;
    });
    expect(apart).toBe(0); // linear and nearest interpolation of one place differ by less than a class
  });

  it("refuses displacements that fold the grid", async () => {
    const { checkAugment } = await import("../src/transforms/check-augment.js");
    expect(() => checkAugment({ elastic: [1, 6] }, 3)).toThrow(/at most a quarter of elasticSpacing \(4 voxels\)/);
    expect(() => checkAugment({ elastic: [1, 6], elasticSpacing: 24 }, 3)).not.toThrow();
    for (const bad of [
      { rotation: [0, 200] as const },
      { scaling: [0, 1] as const },
      { rotationAxes: [3] },
      { elasticSpacing: 1 },
      { blur: [0, 1] as const },
      { biasField: [0.5, 0.2] as const },
      { cutMix: 1.5 },
      { copyPasteMode: "all" as "box" },
    ])
      expect(() => checkAugment(bad, 3), JSON.stringify(bad)).toThrow(OptionError);
    expect(() => checkAugment({ rotationAxes: [0] }, 2)).toThrow(/left out in 2-D/);
  });
});

describe("a patch's record", () => {
  const prepared = numberedCase([18, 16, 14], { spacing: [1, 1, 1.5] });
  const all: AugmentOptions = {
    rotation: [-20, 20],
    scaling: [0.8, 1.2],
    elastic: [0.5, 1.5],
    blur: [0.5, 1],
    biasField: [0.1, 0.4],
    noise: [1, 2],
    brightness: [0.9, 1.1],
    gamma: [0.7, 1.5],
    foregroundProbability: 0.5,
  };

  it("replays after a way through JSON: every transform, the same patch", () => {
    for (let n = 0; n < 10; n++) {
      const record = drawPatch(prepared, [12, 12, 8], all, new RandomSource(n));
      expect(applyPatch(prepared, JSON.parse(JSON.stringify(record)))).toEqual(applyPatch(prepared, record));
    }
  });

  it("keeps every other draw when one transform is switched on or off", () => {
    for (const name of ["rotation", "scaling", "elastic", "blur", "biasField", "noise"] as const)
      for (let n = 0; n < 5; n++) {
        const { [name]: _, ...fewer } = all;
        const [full, part] = [all, fewer].map((o) => drawPatch(prepared, [12, 12, 8], o, new RandomSource(n)));
        expect(part!.start).toEqual(full!.start);
        expect(part!.permutation).toEqual(full!.permutation);
        expect(part!.warp?.elastic ?? null).toEqual(name === "elastic" ? null : (full!.warp?.elastic ?? null));
        const kind = name === "biasField" ? "bias" : name;
        expect(part!.intensity).toEqual(full!.intensity.filter((c) => c.kind !== kind));
      }
  });

  it("uses each transform with its probability", () => {
    const draws = Array.from({ length: 400 }, (_, n) =>
      drawPatch(prepared, [8, 8, 8], { ...all, elasticProbability: 0.1, blurProbability: 0.9 }, new RandomSource(n)),
    );
    const share = (test: (r: PatchRecord) => boolean) => draws.filter(test).length / 400;
    expect(Math.abs(share((r) => r.warp?.elastic !== undefined) - 0.1)).toBeLessThan(0.06);
    expect(Math.abs(share((r) => r.intensity.some((c) => c.kind === "blur")) - 0.9)).toBeLessThan(0.06);
    expect(Math.abs(share((r) => r.intensity.some((c) => c.kind === "bias")) - 0.5)).toBeLessThan(0.1);
  });
});

describe("restorePatch", () => {
  it("undoes crop, flips and quarter turns exactly, and says where the patch was", () => {
    const prepared = numberedCase([9, 8, 7], { image: (v) => v + 1 });
    for (let n = 0; n < 40; n++) {
      const record = drawPatch(prepared, [5, 10, 4], { rot90Axes: [0, 1] }, new RandomSource(n));
      const { image, labels } = applyPatch(prepared, record);
      const back = restorePatch(image, 1, record, [9, 8, 7]);
      const classes = restorePatch(labels!, 1, record, [9, 8, 7]).values;
      expect(back.values).toEqual(prepared.image.map((x, v) => x * back.covered[v]!));
      expect(classes).toEqual(prepared.labels!.map((x, v) => x * back.covered[v]!));
      const inside = record.start.map((s, a) => Math.min([9, 8, 7][a]!, s + record.size[a]!) - Math.max(0, s));
      expect(back.covered.reduce((a, b) => a + b, 0)).toBe(inside.reduce((a, b) => a * b, 1));
    }
  });

  it("undoes rotation and scaling up to interpolation: labels and a smooth image come back", () => {
    const spatial = [40, 38, 28];
    const spacing = [0.5, 0.5, 0.75];
    const ball = balls(spatial, spacing);
    const smooth = (v: number) => {
      const [x, y, z] = coordinates(v, spatial);
      return Math.sin(x / 5) + Math.cos(y / 6) + Math.sin(z / 4);
    };
    const prepared = numberedCase(spatial, { image: smooth, label: ball, spacing });
    for (let n = 0; n < 4; n++) {
      const options = { rotation: [-25, 25], scaling: [0.85, 1.2], ...sure } as const;
      const record = drawPatch(prepared, [36, 36, 26], options, new RandomSource(n));
      const patch = applyPatch(prepared, record);
      const image = restorePatch(patch.image, 1, record, spatial);
      const labels = restorePatch(patch.labels!, 1, record, spatial).values;
      for (const c of [1, 2]) {
        let [both, sum] = [0, 0];
        labels.forEach((label, v) => {
          if (!image.covered[v]) return;
          both += +(label === c && prepared.labels![v] === c);
          sum += +(label === c) + +(prepared.labels![v] === c);
        });
        expect((2 * both) / sum).toBeGreaterThan(0.9);
      }
      let [error, count] = [0, 0];
      image.values.forEach((x, v) => {
        const at = coordinates(v, spatial);
        // Near the patch's border, half of the interpolation is zero padding.
        if (image.covered[v] && at.every((p, a) => p > 4 && p < spatial[a]! - 5)) {
          error += Math.abs(x - smooth(v));
          count++;
        }
      });
      expect(count).toBeGreaterThan(1000);
      expect(error / count).toBeLessThan(0.05);
    }
  });

  it("keeps probabilities together, and refuses elastic patches and wrong sizes", () => {
    const record = { ...whole([2, 2]), start: [1, 0] };
    const back = restorePatch(Float32Array.from([1, 2, 3, 4, 5, 6, 7, 8]), 2, record, [3, 2]);
    expect(Array.from(back.values)).toEqual([0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
    const elastic = { matrix: [1, 0, 0, 1], elastic: { deviation: 1, spacing: 8, seed: 1 } };
    expect(() => restorePatch(new Float32Array(4), 1, whole([2, 2], elastic), [2, 2])).toThrow(OptionError);
    expect(() => restorePatch(new Float32Array(5), 1, record, [3, 2])).toThrow(ShapeError);
    expect(() => restorePatch(new Float32Array(4), 1, record, [3, 2, 1])).toThrow(ShapeError);
    expect(cropPad(back.covered, [3, 2], 1, [1, 0], [2, 2])).toEqual(new Uint8Array(4).fill(1));
  });
});
