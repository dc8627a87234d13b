import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type DatasetConfig, openDataset, readCase, restrictDataset, type Volume, writeVolume } from "@semiseg/data";
import { DataError, OptionError } from "@semiseg/errors";
import { describe, expect, it } from "vitest";
import { tempFolder } from "./helpers/temp-folder.js";

const root = tempFolder();
const identity = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];

async function put(path: string, values: number[], shape: number[], dtype: "uint8" | "float32" = "float32") {
  mkdirSync(join(path, ".."), { recursive: true });
  const data = dtype === "uint8" ? Uint8Array.from(values) : Float32Array.from(values);
  const volume: Volume = { data, shape, spacing: shape.slice(0, 3).map(() => 1), affine: identity, dtype, meta: {} };
  await writeVolume(path, volume);
}

const eight = [0, 1, 2, 3, 4, 5, 6, 7];
const mask = [0, 0, 1, 1, 2, 2, 0, 0];

async function msd(name: string, change: Record<string, unknown> = {}, splits?: unknown): Promise<string> {
  const folder = join(root, name);
  for (const id of ["a", "b", "c"]) {
    await put(join(folder, "imagesTr", `${id}.nii.gz`), eight, [2, 2, 2]);
    await put(join(folder, "labelsTr", `${id}.nii.gz`), mask, [2, 2, 2], "uint8");
  }
  const json = {
    name: "Toy",
    modality: { 0: "MRI" },
    labels: { 0: "background", 1: "head", 2: "tail" },
    training: ["a", "b", "c"].map((id) => ({ image: `./imagesTr/${id}.nii.gz`, label: `./labelsTr/${id}.nii.gz` })),
    test: ["./imagesTs/d.nii.gz"],
    ...change,
  };
  writeFileSync(join(folder, "dataset.json"), JSON.stringify(json));
  if (splits) writeFileSync(join(folder, "splits.json"), JSON.stringify(splits));
  return folder;
}

describe("openDataset kind 'msd'", () => {
  it("lists cases, classes and channels of dataset.json, and splits.json beside it", async () => {
    const path = await msd("good", {}, { train: ["a"], validation: ["b"], test: ["c"], note: "x" });
    const dataset = await openDataset({ kind: "msd", path });
    expect(dataset).toMatchObject({ name: "Toy", spatialDims: 3, channels: 1 });
    expect(dataset.classNames).toEqual(["background", "head", "tail"]);
    expect(dataset.cases.map((c) => c.id)).toEqual(["a", "b", "c"]);
    expect(dataset.splits).toEqual({ train: ["a"], validation: ["b"], test: ["c"] });
    expect(JSON.parse(JSON.stringify(dataset))).toEqual(dataset);
    const { image, label } = await readCase(dataset, "b");
    expect(image.shape).toEqual([2, 2, 2, 1]);
    expect(Array.from(image.data)).toEqual(eight);
    expect(Array.from(label!.data)).toEqual(mask);
    const test = await openDataset({ kind: "msd", path, includeTest: true, name: "other" });
    expect(test.cases[3]).toEqual({ id: "d", image: join(path, "imagesTs", "d.nii.gz") });
    expect(test.name).toBe("other");
  });

  it("takes nnU-Net's spelling of labels and channels", async () => {
    const path = await msd("nnunet", { labels: { background: 0, tumour: 1, core: 2 }, channel_names: { 0: "T1" } });
    expect((await openDataset({ kind: "msd", path })).classNames).toEqual(["background", "tumour", "core"]);
  });

  it("names what is missing or wrong in the folder", async () => {
    await expect(openDataset({ kind: "msd", path: join(root, "nowhere") })).rejects.toThrow(
      /not a folder; expected dataset\.json/,
    );
    mkdirSync(join(root, "bare"));
    await expect(openDataset({ kind: "msd", path: join(root, "bare") })).rejects.toThrow(/dataset\.json: no such file/);
    writeFileSync(join(root, "bare", "dataset.json"), "{");
    await expect(openDataset({ kind: "msd", path: join(root, "bare") })).rejects.toThrow(/not valid JSON/);
    const gap = await msd("gap", { labels: { 0: "background", 2: "x" } });
    await expect(openDataset({ kind: "msd", path: gap })).rejects.toThrow(/without a gap/);
    const twice = await msd("twice", { training: [1, 2].map(() => ({ image: "imagesTr/a.nii.gz" })) });
    await expect(openDataset({ kind: "msd", path: twice })).rejects.toThrow(/two cases are called a/);
    await expect(openDataset({ kind: "dicom" } as unknown as DatasetConfig)).rejects.toThrow(OptionError);
  });

  it("refuses splits that leak, name unknown cases or train on nothing", async () => {
    const cases: [object, RegExp][] = [
      [{ train: ["a"], test: ["a"] }, /case a is in 'train' and in 'test'/],
      [{ train: ["a", "zz"] }, /'train' names 1 cases that the data set has not: zz/],
      [{ validation: ["a"] }, /'train' is empty/],
      [{ train: "a" }, /must be a list/],
    ];
    for (const [n, [splits, message]] of cases.entries()) {
      const path = await msd(`splits-${n}`, {}, splits);
      await expect(openDataset({ kind: "msd", path })).rejects.toThrow(message);
    }
  });
});

describe("readCase", () => {
  it("accepts labels stored as float and refuses values that are no class, naming file and values", async () => {
    const path = await msd("labels");
    const dataset = await openDataset({ kind: "msd", path });
    await put(join(path, "labelsTr", "a.nii.gz"), mask, [2, 2, 2], "float32");
    expect(Array.from((await readCase(dataset, "a")).label!.data)).toEqual(mask);
    await put(join(path, "labelsTr", "a.nii.gz"), [0, 0, 0.5, 1, 0, 0, 0, 7], [2, 2, 2]);
    await expect(readCase(dataset, "a")).rejects.toThrow(
      /labelsTr.a\.nii\.gz holds label values that are no class: 0\.5, 7; the classes are 0 = background, 1 = head/,
    );
    await put(join(path, "labelsTr", "a.nii.gz"), [-1, 0, 0, 1, 0, 0, 0, 1], [2, 2, 2]);
    await expect(readCase(dataset, "a")).rejects.toThrow(/no class: -1/);
  });

  it("names both files when shapes differ", async () => {
    const path = await msd("shapes");
    await put(join(path, "labelsTr", "c.nii.gz"), [0, 0, 1, 1], [2, 2, 1], "uint8");
    const dataset = await openDataset({ kind: "msd", path });
    await expect(readCase(dataset, "c")).rejects.toThrow(
      /imagesTr.c\.nii\.gz has shape \[2, 2, 2\], its label .*labelsTr.c\.nii\.gz has \[2, 2, 1\]/,
    );
  });

  it("names an image that holds NaN, a case that isn't there and a channel count that is wrong", async () => {
    const path = await msd("nan");
    await put(join(path, "imagesTr", "a.nii.gz"), [0, 1, Number.NaN, 3, Number.POSITIVE_INFINITY, 5, 6, 7], [2, 2, 2]);
    const dataset = await openDataset({ kind: "msd", path });
    await expect(readCase(dataset, "a")).rejects.toThrow(/a\.nii\.gz holds 2 values that are NaN or infinite/);
    await expect(readCase(dataset, "zz")).rejects.toThrow(/'Toy' has no case zz/);
    const two = { ...dataset, channels: 2 };
    await expect(readCase(two, "b")).rejects.toThrow(/expected 3 spatial axes and 2 channels/);
  });

  it("reads channels on the fourth axis", async () => {
    const path = await msd("channels", { modality: { 0: "T1", 1: "T2" } });
    for (const id of ["a", "b", "c"])
      await put(
        join(path, "imagesTr", `${id}.nii.gz`),
        Array.from({ length: 16 }, (_, n) => n),
        [2, 2, 2, 2],
      );
    const dataset = await openDataset({ kind: "msd", path });
    const { image } = await readCase(dataset, "a");
    expect(dataset.channels).toBe(2);
    expect(image.shape).toEqual([2, 2, 2, 2]);
    expect(Array.from(image.data)).toEqual(Array.from({ length: 16 }, (_, n) => n));
  });
});

describe("openDataset kind 'folder'", () => {
  it("finds cases by pattern, joins channels, and leaves cases without label unlabelled", async () => {
    const path = join(root, "patterns");
    for (const id of ["p1", "p2"]) {
      await put(join(path, id, `${id}_t1.nii`), eight, [2, 2, 2]);
      await put(
        join(path, id, `${id}_t2.nii`),
        eight.map((x) => -x),
        [2, 2, 2],
      );
    }
    await put(
      join(path, "p1", "p1_seg.nii"),
      mask.map((x) => x * 2),
      [2, 2, 2],
      "uint8",
    );
    writeFileSync(join(path, "p1", "._p1_t1.nii"), "junk of macOS");
    const config: DatasetConfig = {
      kind: "folder",
      path,
      images: ["{id}/{id}_t1.nii", "{id}/{id}_t2.nii"],
      labels: "**/{id}_seg.nii",
      classNames: ["background", "tumour"],
      labelValues: [0, [2, 4]],
    };
    const dataset = await openDataset(config);
    expect(dataset.cases.map((c) => [c.id, c.label !== undefined])).toEqual([
      ["p1", true],
      ["p2", false],
    ]);
    const { image, label } = await readCase(dataset, "p1");
    expect(image.shape).toEqual([2, 2, 2, 2]);
    expect(Array.from(image.data.subarray(0, 6))).toEqual([0, -0, 1, -1, 2, -2]);
    expect(Array.from(label!.data)).toEqual([0, 0, 1, 1, 1, 1, 0, 0]);
    expect((await readCase(dataset, "p2")).label).toBeNull();
    await put(join(path, "p2", "p2_t2.nii"), eight.slice(0, 4), [2, 2, 1]);
    await expect(readCase(dataset, "p2")).rejects.toThrow(/p2_t1\.nii has shape .*p2_t2\.nii of the same case has/);
  });

  it("says when nothing matches, a channel is missing or a pattern has no {id}", async () => {
    const path = join(root, "patterns");
    const base = { kind: "folder", path, classNames: ["background", "x"] } as const;
    await expect(openDataset({ ...base, images: "scans/{id}.nii" })).rejects.toThrow(
      /none of the \d+ files in .* matches scans/,
    );
    await expect(openDataset({ ...base, images: "a.nii" })).rejects.toThrow(/must contain \{id\}/);
    await expect(openDataset({ ...base, images: ["{id}/{id}_t1.nii", "{id}/{id}_t9.nii"] })).rejects.toThrow(
      /case p1 has no file for/,
    );
    await expect(openDataset({ ...base, images: "{id}/*.nii" })).rejects.toThrow(/finds case p1 twice/);
    await expect(openDataset({ ...base, classNames: ["x"], images: "{id}/{id}_t1.nii" })).rejects.toThrow(OptionError);
  });
});

describe("openDataset kind 'la'", () => {
  it("reads both published lists and finds the volumes", async () => {
    const path = join(root, "la");
    for (const id of ["X", "Y", "Z"]) {
      await put(join(path, "images", `${id}.nii.gz`), eight, [2, 2, 2]);
      await put(
        join(path, "labels", `${id}.nii.gz`),
        mask.map((x) => +(x > 0)),
        [2, 2, 2],
        "uint8",
      );
    }
    writeFileSync(join(path, "train.list"), "Y\nX\n\n");
    writeFileSync(join(path, "test.list"), "Z\r\n");
    const dataset = await openDataset({ kind: "la", path });
    expect(dataset.splits).toEqual({ train: ["Y", "X"], validation: [], test: ["Z"] });
    expect(dataset.preprocess).toEqual({ normalize: "none" });
    expect((await readCase(dataset, "Z")).label!.data).toEqual(Uint8Array.from([0, 0, 1, 1, 1, 1, 0, 0]));
    writeFileSync(join(path, "test.list"), "Q");
    await expect(openDataset({ kind: "la", path })).rejects.toThrow(/no files for case Q; expected train\.list/);
    await expect(openDataset({ kind: "la", path: join(path, "images") })).rejects.toThrow(/has no train\.list/);
  });
});

describe("openDataset kind 'phantom' and restrictDataset", () => {
  it("counts cases per part and generates them on reading", async () => {
    const dataset = await openDataset({ kind: "phantom", shape: [16, 16, 8], train: 3, validation: 1, test: 2 });
    expect(dataset.splits!.test).toEqual(["phantom_004", "phantom_005"]);
    expect((await readCase(dataset, "phantom_005")).image.shape).toEqual([16, 16, 8, 1]);
    await expect(openDataset({ kind: "phantom", train: 0 })).rejects.toThrow(OptionError);
  });

  it("hides every other case from whoever gets the restricted data set", async () => {
    const dataset = await openDataset({ kind: "phantom", shape: [16, 16, 8], train: 2, validation: 1, test: 1 });
    const seen = restrictDataset(dataset, dataset.splits!.train);
    expect(seen.cases).toHaveLength(2);
    expect(seen.splits).toBeUndefined();
    await expect(readCase(seen, dataset.splits!.test[0]!)).rejects.toThrow(DataError);
    expect(() => restrictDataset(dataset, ["nobody"])).toThrow(/has no case nobody/);
  });
});
