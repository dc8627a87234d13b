import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { generatePhantom, openDataset, readCase, writePhantomDataset } from "@semiseg/data";
import { OptionError } from "@semiseg/errors";
import { describe, expect, it } from "vitest";
import { tempFolder } from "./helpers/temp-folder.js";

const small = { shape: [32, 32, 16], organs: 4 };

function mean(values: ArrayLike<number>, where: (n: number) => boolean): number {
  let [sum, count] = [0, 0];
  for (let n = 0; n < values.length; n++)
    if (where(n)) {
      sum += values[n]!;
      count++;
    }
  return sum / count;
}

describe("generatePhantom", () => {
  it("gives image and label of the wanted shape and anisotropic spacing, centred on the origin", () => {
    const { image, label } = generatePhantom(0, { ...small, spacing: [5, 5, 10] });
    expect(image.shape).toEqual([32, 32, 16]);
    expect(label.shape).toEqual([32, 32, 16]);
    expect(image.dtype).toBe("float32");
    expect(label.dtype).toBe("uint8");
    expect(image.spacing).toEqual([5, 5, 10]);
    expect(image.affine).toEqual([5, 0, 0, -77.5, 0, 5, 0, -77.5, 0, 0, 10, -75, 0, 0, 0, 1]);
    expect(generatePhantom(0).image.spacing).toEqual([2.5, 2.5, 3.75]);
  });

  it("has every organ in every case, in three dimensions and nearly all in a slice", () => {
    for (let index = 0; index < 12; index++) {
      const classes = new Set(generatePhantom(index, { ...small, shape: [48, 48, 24] }).label.data);
      expect([...classes].sort(), `case ${index}`).toEqual([0, 1, 2, 3, 4]);
      const slice = generatePhantom(index, { shape: [48, 48], organs: 1 });
      expect(slice.image.shape).toEqual([48, 48]);
      expect(new Set(slice.label.data).has(1), `slice ${index}`).toBe(true);
    }
  });

  it("labels only as many organs as asked for", () => {
    expect(Math.max(...generatePhantom(1, { ...small, organs: 2 }).label.data)).toBe(2);
  });

  it("is the same for the same seed and index, and another body for another", () => {
    const one = generatePhantom(3, small);
    expect(generatePhantom(3, small).image.data).toEqual(one.image.data);
    expect(generatePhantom(4, small).label.data).not.toEqual(one.label.data);
    expect(generatePhantom(3, { ...small, seed: 1 }).label.data).not.toEqual(one.label.data);
  });

  it("gives the other contrast from the index that is asked for, and each body once", async () => {
    const mixed = { ...small, otherModalityFrom: 2 };
    expect(generatePhantom(1, mixed).image.data).toEqual(generatePhantom(1, small).image.data);
    for (const index of [2, 3])
      expect(generatePhantom(index, mixed)).toEqual(generatePhantom(index, { ...small, modality: "b" }));
    const dataset = await openDataset({ kind: "phantom", ...mixed, train: 3, validation: 0, test: 1 });
    const { image } = await readCase(dataset, "phantom_002");
    expect(image.data).toEqual(generatePhantom(2, { ...small, modality: "b" }).image.data);
    expect(() => generatePhantom(0, { ...small, otherModalityFrom: -1 })).toThrow(OptionError);
  });

  it("keeps the anatomy and reverses contrasts in the second modality", () => {
    const a = generatePhantom(2, { ...small, modality: "a", noise: 0, bias: 0, contrastJitter: 0 });
    const b = generatePhantom(2, { ...small, modality: "b", noise: 0, bias: 0, contrastJitter: 0 });
    expect(b.label.data).toEqual(a.label.data);
    const kidney = (n: number) => a.label.data[n] === 2;
    const liver = (n: number) => a.label.data[n] === 1;
    expect(mean(a.image.data, kidney)).toBeGreaterThan(mean(a.image.data, liver));
    expect(mean(b.image.data, kidney)).toBeLessThan(mean(b.image.data, liver));
  });

  it("gives one anatomy with variation 0", () => {
    const still = { ...small, variation: 0 };
    expect(generatePhantom(7, still).label.data).toEqual(generatePhantom(1, still).label.data);
  });

  it("adds noise of the wanted deviation and shading that changes across the field", () => {
    const clean = generatePhantom(5, { ...small, noise: 0, bias: 0 }).image.data;
    const noisy = generatePhantom(5, { ...small, noise: 0.2, bias: 0 }).image.data;
    const squares = mean(
      noisy.map((x, n) => (x - clean[n]!) ** 2),
      () => true,
    );
    expect(Math.sqrt(squares)).toBeCloseTo(0.2, 2);
    const shaded = generatePhantom(5, { ...small, noise: 0, bias: 0.4 }).image.data;
    const ratios = Array.from(shaded, (x, n) => (x + 1.5) / (clean[n]! + 1.5)).filter(Number.isFinite);
    expect(Math.max(...ratios) - Math.min(...ratios)).toBeGreaterThan(0.1);
    expect(Math.max(...ratios)).toBeLessThan(1.81);
  });

  it("refuses options out of range", () => {
    for (const bad of [
      { shape: [32] },
      { shape: [4, 32, 32] },
      { organs: 5 },
      { noise: -1 },
      { spacing: [1] },
      { bias: 1 },
    ])
      expect(() => generatePhantom(0, bad), JSON.stringify(bad)).toThrow(OptionError);
    expect(() => generatePhantom(-1)).toThrow(OptionError);
  });
});

describe("writePhantomDataset", () => {
  it("writes a folder that kind 'msd' opens, with the same cases, labels and splits", async () => {
    const folder = join(tempFolder(), "phantoms");
    const options = { shape: [16, 16, 8], organs: 2, train: 2, validation: 1, test: 1, seed: 5 };
    const seen: number[] = [];
    const generated = await writePhantomDataset(folder, options, (done) => void seen.push(done));
    expect(seen).toEqual([1, 2, 3, 4]);
    const written = await openDataset({ kind: "msd", path: folder });
    expect(written.cases.map((c) => c.id)).toEqual(generated.cases.map((c) => c.id));
    expect(written.splits).toEqual(generated.splits);
    expect(written.classNames).toEqual(["background", "liver", "kidneys"]);
    for (const { id } of generated.cases) {
      const [a, b] = [await readCase(generated, id), await readCase(written, id)];
      expect(b.image.data).toEqual(a.image.data);
      expect(b.label!.data).toEqual(a.label!.data);
      expect(b.image.spacing.map((s) => +s.toFixed(4))).toEqual(a.image.spacing.map((s) => +s.toFixed(4)));
    }
    expect(existsSync(join(folder, "imagesTr", "phantom_000.nii.gz"))).toBe(true);
    expect(JSON.parse(readFileSync(join(folder, "dataset.json"), "utf8")).tensorImageSize).toBe("3D");
  });

  it("writes slices as two-dimensional files", async () => {
    const folder = join(tempFolder(), "slices");
    await writePhantomDataset(folder, { shape: [24, 24], train: 1, validation: 0, test: 0 });
    const written = await openDataset({ kind: "msd", path: folder });
    expect(written.spatialDims).toBe(2);
    expect((await readCase(written, "phantom_000")).image.shape).toEqual([24, 24, 1]);
  });
});
