import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { dataDoctor, openDataset, prepareCase, readCase, type Volume, writeVolume } from "@semiseg/data";
import { describe, expect, it } from "vitest";
import { tempFolder } from "./helpers/temp-folder.js";

const root = tempFolder();
/** image [5, 6, 7], label of values 0 to 2 */
const h5 = fileURLToPath(new URL("./fixtures/chunked.h5", import.meta.url));

async function nifti(path: string, values: (n: number) => number, shape = [6, 5, 4]): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  const affine = [2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1];
  const data = Int16Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, n) => values(n));
  const volume: Volume = { data, shape, spacing: [2, 2, 2], affine, dtype: "int16", meta: {} };
  await writeVolume(path, volume);
}
function copy(path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  copyFileSync(h5, path);
}

describe("openDataset on the field's benchmarks", () => {
  it("la: reads the published h5 files", async () => {
    const path = join(root, "la");
    for (const id of ["A", "B"]) copy(join(path, "2018LA_Seg_Training Set", id, "mri_norm2.h5"));
    writeFileSync(join(path, "train.list"), "A\n");
    writeFileSync(join(path, "test.list"), "B\n");
    const dataset = await openDataset({ kind: "la", path });
    await expect(readCase(dataset, "A")).rejects.toThrow(/label values that are no class: 2/); // the fixture has 0 to 2
    const two = { ...dataset, classNames: ["background", "x", "y"] };
    expect((await prepareCase(two, "B")).imageShape).toEqual([5, 6, 7, 1]);
  });

  it("pancreas: h5 files as they are, NIfTI through the protocol, its label crop by option only", async () => {
    const path = join(root, "pancreas");
    mkdirSync(path);
    writeFileSync(join(path, "train.list"), "image0001\n");
    await expect(openDataset({ kind: "pancreas", path })).rejects.toThrow(
      /no files for case image0001; expected train\.list/,
    );
    await nifti(join(path, "images", "image0001.nii.gz"), (n) => n * 10 - 500);
    await nifti(join(path, "labels", "label0001.nii.gz"), (n) => +(n === 50));
    const scan = await openDataset({ kind: "pancreas", path });
    expect(scan.preprocess).toEqual({ spacing: [1, 1, 1], clip: [-125, 275], normalize: "zscore" });
    expect((await prepareCase(scan, "image0001")).imageShape).toEqual([12, 10, 8, 1]);
    const published = await openDataset({ kind: "pancreas", path, protocol: "published" });
    expect(published.preprocess!.crop).toBe("label");
    copy(join(path, "Pancreas_h5", "image0001_norm.h5"));
    expect((await openDataset({ kind: "pancreas", path })).preprocess).toEqual({ normalize: "none" });
  });

  it("acdc: frames as volumes or slices, patients kept, in both layouts", async () => {
    const path = join(root, "acdc");
    for (const id of ["patient001_frame01", "patient002_frame12"]) copy(join(path, "data", `${id}.h5`));
    writeFileSync(join(path, "train.list"), "patient001_frame01\n");
    writeFileSync(join(path, "test.list"), "patient002_frame12\n");
    const volumes = await openDataset({ kind: "acdc", path });
    expect(volumes.splits!.test).toEqual(["patient002_frame12"]);
    expect(volumes.cases[0]!.patient).toBe("patient001");
    const slices = await openDataset({ kind: "acdc", path, mode: "slices" });
    expect(slices.cases).toHaveLength(10);
    expect(slices.splits!.train).toHaveLength(5);
    const whole = await readCase(volumes, "patient001_frame01");
    const third = await readCase(slices, "patient001_frame01_slice_3");
    expect(third.image.shape).toEqual([6, 7, 1]);
    expect(Array.from(third.image.data)).toEqual(Array.from(whole.image.data.subarray(84, 126)));
    const challenge = join(root, "challenge");
    await nifti(join(challenge, "patient001", "patient001_frame01.nii.gz"), (n) => n);
    await nifti(join(challenge, "patient001", "patient001_frame01_gt.nii.gz"), (n) => n % 4);
    await nifti(join(challenge, "patient001", "patient001_4d.nii.gz"), (n) => n);
    const official = await openDataset({ kind: "acdc", path: challenge, mode: "slices" });
    expect(official.cases.map((c) => c.id)).toEqual([1, 2, 3, 4].map((n) => `patient001_frame01_slice_${n}`));
    const second = await readCase(official, "patient001_frame01_slice_2");
    expect(second.image.shape).toEqual([6, 5, 1]);
    expect(Array.from(second.image.data.subarray(0, 3))).toEqual([1, 5, 9]);
    expect(Array.from(second.label!.data.subarray(0, 3))).toEqual([1, 1, 1]);
  });

  it("brats2019: channels by modality, whole tumour or its parts", async () => {
    const path = join(root, "brats");
    for (const m of ["flair", "t1", "t1ce", "t2"])
      await nifti(join(path, "HGG", "B1", `B1_${m}.nii.gz`), (n) => (n < 20 ? 0 : n));
    await nifti(join(path, "HGG", "B1", "B1_seg.nii.gz"), (n) => [0, 1, 2, 4][n % 4]!);
    const whole = await openDataset({ kind: "brats2019", path });
    const prepared = await prepareCase(whole, "B1");
    expect(prepared.imageShape).toEqual([5, 5, 4, 1]); // the empty first plane is cut
    expect(new Set(prepared.labels)).toEqual(new Set([0, 1]));
    const parts = await openDataset({ kind: "brats2019", path, target: "parts", modalities: ["flair", "t1ce"] });
    const both = await readCase(parts, "B1");
    expect(both.image.shape).toEqual([6, 5, 4, 2]);
    expect(Array.from(both.label!.data.subarray(0, 4))).toEqual([0, 1, 2, 3]);
    await expect(openDataset({ kind: "brats2019", path: `${root}/la` })).rejects.toThrow(
      /holds no such files; expected the challenge's/,
    );
  });

  it("brats2019: SSL4MIS's lists and h5 files, used as they are", async () => {
    const path = join(root, "brats-h5");
    for (const id of ["B1", "B2"]) copy(join(path, "data", `${id}.h5`));
    writeFileSync(join(path, "train.txt"), "B1,0\n");
    writeFileSync(join(path, "test.txt"), "B2\n");
    const dataset = await openDataset({ kind: "brats2019", path });
    expect(dataset.splits).toEqual({ train: ["B1"], validation: [], test: ["B2"] });
    expect(dataset.preprocess).toEqual({ normalize: "none" });
    const { image, labels } = await prepareCase(dataset, "B2");
    expect(image).toHaveLength(210);
    expect(new Set(labels)).toEqual(new Set([0, 1])); // 1 and 2 are the whole tumour
  });

  it("amos: CT below 500, MR from there, published validation cases as test", async () => {
    const path = join(root, "amos");
    mkdirSync(path);
    const entry = (id: string, part: string) => ({
      image: `./images${part}/${id}.nii.gz`,
      label: `./labels${part}/${id}.nii.gz`,
    });
    const json = {
      training: [entry("amos_0001", "Tr"), entry("amos_0507", "Tr")],
      validation: [entry("amos_0008", "Va")],
    };
    writeFileSync(join(path, "dataset.json"), JSON.stringify(json));
    const ct = await openDataset({ kind: "amos", path });
    expect(ct.splits).toEqual({ train: ["amos_0001"], validation: [], test: ["amos_0008"] });
    expect(ct.classNames).toHaveLength(16);
    expect((await openDataset({ kind: "amos", path, modality: "mr" })).cases.map((c) => c.id)).toEqual(["amos_0507"]);
    expect((await openDataset({ kind: "amos", path, modality: "all" })).cases).toHaveLength(3);
    await nifti(join(path, "imagesTr", "amos_0001.nii.gz"), (n) => 10 * n - 500);
    await nifti(join(path, "labelsTr", "amos_0001.nii.gz"), (n) => n % 16);
    const { image, labels } = await prepareCase(ct, "amos_0001");
    // Window of -125 to 275, scaled to [0, 1].
    for (const n of [0, 37, 60, 77, 119])
      expect(image[n]).toBeCloseTo(Math.min(1, Math.max(0, (10 * n - 500 + 125) / 400)), 5);
    expect(new Set(labels).size).toBe(16);
  });

  it("the data doctor recognises every layout by its folder", async () => {
    const names = async (folder: string) => (await dataDoctor(join(root, folder), { thumbnails: false })).name;
    expect(await Promise.all(["la", "pancreas", "acdc", "challenge", "brats", "brats-h5"].map(names))).toEqual([
      "left-atrium",
      "pancreas-ct",
      "acdc",
      "acdc",
      "brats2019",
      "brats2019",
    ]);
    mkdirSync(join(root, "amos", "imagesVa"), { recursive: true });
    expect(await names("amos")).toBe("amos-all");
  });
});
