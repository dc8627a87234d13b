import { openDataset, prepareCase, prepareVolume, type RawCase, restoreLabels } from "@semiseg/data";
import { DataError, OptionError, ShapeError } from "@semiseg/errors";
import { describe, expect, it } from "vitest";

function raw(values: number[], shape: number[], label?: number[], more: Partial<RawCase["image"]> = {}): RawCase {
  const spacing = shape.slice(0, -1).map(() => 1);
  const affine = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
  const common = { spacing, affine, meta: { source: "test" }, ...more };
  return {
    id: "case",
    image: { data: Float32Array.from(values), shape, dtype: "float32", ...common },
    label: label ? { ...common, data: Uint8Array.from(label), shape: shape.slice(0, -1), dtype: "uint8" } : null,
  };
}

const near = (values: ArrayLike<number>, expected: number[]) => {
  expect(values).toHaveLength(expected.length);
  expected.forEach((x, n) => {
    expect(values[n], `value ${n}`).toBeCloseTo(x, 5);
  });
};

describe("prepareVolume: intensities", () => {
  it("z-scores over the whole volume with the population deviation, each channel by itself", () => {
    const s = Math.sqrt(1.25);
    near(prepareVolume(raw([1, 2, 3, 4], [2, 2, 1])).image, [-1.5 / s, -0.5 / s, 0.5 / s, 1.5 / s]);
    near(prepareVolume(raw([1, 10, 3, 30], [1, 2, 2])).image, [-1, -1, 1, 1]);
  });

  it("z-scores non-zero voxels only and keeps or shifts the zeros", () => {
    const options = { normalize: "zscore-nonzero" } as const;
    near(prepareVolume(raw([0, 0, 2, 4], [2, 2, 1]), options).image, [0, 0, -1, 1]);
    near(prepareVolume(raw([0, 0, 2, 4], [2, 2, 1]), { ...options, backgroundZero: false }).image, [-3, -3, -1, 1]);
  });

  it("clips to values and to percentiles as numpy interpolates them", () => {
    const window = { clip: [-1, 1], normalize: "none" } as const;
    near(prepareVolume(raw([-5, 0, 0.5, 9], [2, 2, 1]), window).image, [-1, 0, 0.5, 1]);
    const tails = { percentiles: [10, 90], normalize: "none" } as const;
    near(prepareVolume(raw([0, 1, 2, 3, 4, 5], [3, 2, 1]), tails).image, [0.5, 1, 2, 3, 4, 4.5]);
    near(prepareVolume(raw([0, 1, 2, 3], [2, 2, 1]), { normalize: "minmax" }).image, [0, 1 / 3, 2 / 3, 1]);
  });

  it("gives zeros for a constant image and leaves the input alone", () => {
    const input = raw([5, 5, 5, 5], [2, 2, 1], [0, 1, 0, 0]);
    const prepared = prepareVolume(input);
    near(prepared.image, [0, 0, 0, 0]);
    near(input.image.data, [5, 5, 5, 5]);
    prepared.labels![0] = 9;
    expect(input.label!.data[0]).toBe(0);
  });
});

describe("prepareVolume: geometry", () => {
  it("pads symmetrically with zeros after normalising and records it", () => {
    const prepared = prepareVolume(raw([1, 3], [1, 2, 1], [1, 2]), { padTo: [2, 5] });
    expect(prepared.imageShape).toEqual([2, 5, 1]);
    near(prepared.image, [0, -1, 1, 0, 0, 0, 0, 0, 0, 0]);
    expect(Array.from(prepared.labels!)).toEqual([0, 1, 2, 0, 0, 0, 0, 0, 0, 0]);
    expect(prepared.record.padBefore).toEqual([0, 1]);
    expect(prepared.record.padAfter).toEqual([1, 2]);
    expect(prepared.affine[7]).toBe(-1);
  });

  it("crops to the image's content or to the label with a margin, zeros kept out of what was cut", () => {
    const values = [0, 0, 0, 0, 0, 7, 8, 0, 0, 0, 0, 0];
    const content = prepareVolume(raw(values, [3, 4, 1]), { crop: "nonzero", normalize: "none", padTo: [3, 2] });
    near(content.image, [0, 0, 7, 8, 0, 0]);
    const byLabel = { crop: "label", cropMargin: [0, 1], normalize: "none" } as const;
    const label = [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    const cut = prepareVolume(raw(values, [3, 4, 1], label), byLabel);
    near(cut.image, [0, 7, 8]);
    expect(Array.from(cut.labels!)).toEqual([0, 1, 0]);
    expect(() => prepareVolume(raw(values, [3, 4, 1]), byLabel)).toThrow(DataError);
  });

  it("never crops an unlabelled case by label", () => {
    expect(() => prepareVolume(raw([1, 2], [1, 2, 1]), { crop: "label" })).toThrow(/crop 'label' needs a label/);
  });

  it("resamples the image linearly and labels to the nearest voxel about the common centre", () => {
    const options = { spacing: [null, 0.5], normalize: "none" } as const;
    const prepared = prepareVolume(raw([0, 4], [1, 2, 1], [1, 2]), options);
    expect(prepared.imageShape).toEqual([1, 4, 1]);
    near(prepared.image, [0, 1, 3, 4]);
    expect(Array.from(prepared.labels!)).toEqual([1, 1, 2, 2]);
    expect(prepared.spacing).toEqual([1, 0.5]);
    expect([prepared.affine[5], prepared.affine[7]]).toEqual([0.5, -0.25]);
  });

  it("turns axes to right, anterior, superior and keeps world positions", () => {
    // Axes run to posterior, superior, left; 2 x 3 x 1 voxels of 2, 3, 4 mm.
    const affine = [0, 0, -4, 10, -2, 0, 0, 20, 0, 3, 0, 30, 0, 0, 0, 1];
    const prepared = prepareVolume(
      raw([0, 1, 2, 3, 4, 5], [2, 3, 1, 1], [0, 1, 2, 3, 4, 5], { affine, spacing: [2, 3, 4] }),
      { reorient: true, normalize: "none" },
    );
    expect(prepared.imageShape).toEqual([1, 2, 3, 1]);
    near(prepared.image, [3, 4, 5, 0, 1, 2]);
    expect(Array.from(prepared.labels!)).toEqual([3, 4, 5, 0, 1, 2]);
    expect(prepared.spacing).toEqual([4, 2, 3]);
    expect(prepared.affine.map((x) => x + 0)).toEqual([4, 0, 0, 10, 0, 2, 0, 18, 0, 0, 3, 30, 0, 0, 0, 1]);
    expect(Array.from(restoreLabels(prepared.labels!, prepared.record))).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it("refuses options that don't fit", () => {
    const input = raw([1, 2], [1, 2, 1]);
    for (const bad of [
      { spacing: [1] },
      { spacing: [0, 1] },
      { padTo: [1.5, 2] },
      { percentiles: [50, 50] as const },
      { clip: [1, 0] as const },
    ])
      expect(() => prepareVolume(input, bad), JSON.stringify(bad)).toThrow(OptionError);
    expect(() => prepareVolume(input, { reorient: true })).toThrow(/three spatial axes/);
  });
});

describe("restoreLabels", () => {
  it("undoes padding, cropping and resampling of a real preparation", async () => {
    const dataset = await openDataset({ kind: "phantom", shape: [24, 20, 12], train: 1, validation: 0, test: 0 });
    const { readCase } = await import("@semiseg/data");
    const original = (await readCase(dataset, "phantom_000")).label!;
    const exact = await prepareCase(dataset, "phantom_000", { padTo: [32, 16, 16], crop: "label", cropMargin: 2 });
    expect(restoreLabels(exact.labels!, exact.record)).toEqual(original.data);
    const finer = await prepareCase(dataset, "phantom_000", { spacing: original.spacing.map((s) => s / 3) });
    expect(finer.imageShape).toEqual([72, 60, 36, 1]);
    expect(restoreLabels(finer.labels!, finer.record)).toEqual(original.data);
    expect(() => restoreLabels(new Uint8Array(3), exact.record)).toThrow(ShapeError);
  });
});
