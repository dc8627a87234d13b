import { ShapeError } from "@semiseg/errors";
import { describe, expect, it } from "vitest";
import {
  openDataset,
  type PreprocessOptions,
  prepareVolume,
  readCase,
  restoreClasses,
  restoreLabels,
} from "../src/index.js";

const dataset = await openDataset({
  kind: "phantom",
  shape: [14, 12, 10],
  organs: 2,
  train: 1,
  validation: 0,
  test: 0,
});
const raw = await readCase(dataset, dataset.cases[0]!.id);
const classes = dataset.classNames.length;

/** Probabilities that say what the labels say. */
function certain(labels: Uint8Array): Float32Array {
  const out = new Float32Array(labels.length * classes);
  labels.forEach((c, v) => {
    out[v * classes + c] = 1;
  });
  return out;
}

describe("restoreClasses", () => {
  it.each([
    {},
    { padTo: [20, 16, 16] },
    { reorient: true },
    { crop: "label", cropMargin: 1, padTo: [16, 16, 16] },
  ] as PreprocessOptions[])("undoes preparation without resampling exactly: %j", (options) => {
    const { labels, record } = prepareVolume(raw, options);
    const back = restoreClasses(certain(labels!), classes, record);
    expect(back).toEqual(restoreLabels(labels!, record));
    expect(back).toEqual(raw.label!.data);
  });

  it("interpolates before it decides, so outlines come back closer than by nearest labels", () => {
    const { labels, record } = prepareVolume(raw, { spacing: [25, 25, 30] });
    const wrong = (found: Uint8Array): number => found.reduce((n, c, v) => n + (c !== raw.label!.data[v] ? 1 : 0), 0);
    const linear = wrong(restoreClasses(certain(labels!), classes, record));
    expect(linear).toBeGreaterThan(0);
    expect(linear).toBeLessThanOrEqual(wrong(restoreLabels(labels!, record)));
  });

  it("throws ShapeError when the values do not fit the record", () => {
    const { record } = prepareVolume(raw, {});
    expect(() => restoreClasses(new Float32Array(7), classes, record)).toThrow(ShapeError);
  });
});
