import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readVolume } from "@semiseg/data";
import { DataError } from "@semiseg/errors";
import { RandomSource } from "@semiseg/random";
import { describe, expect, it } from "vitest";
import { dicomGeometry } from "../src/formats/dicom-geometry.js";
import { dicomHeader } from "../src/formats/dicom-header.js";
import { type DicomSlice, dicomFile } from "./helpers/dicom-file.js";
import { tempFolder } from "./helpers/temp-folder.js";

const root = tempFolder();
const values = (k: number) => Array.from({ length: 12 }, (_, v) => 100 * k + v - 50);
const slice = (k: number, more: Partial<DicomSlice> = {}): DicomSlice => ({
  pixels: values(k),
  rows: 3,
  columns: 4,
  position: [-10, 20, 5 + 2.5 * k],
  spacing: [0.8, 0.5],
  instance: k + 1,
  ...more,
});
let made = 0;
/** A folder of slices under shuffled names. */
function folderOf(slices: readonly DicomSlice[], more: Record<string, Uint8Array> = {}): string {
  const folder = join(root, `series-${made++}`);
  mkdirSync(folder);
  const names = new RandomSource(made).shuffle(slices.map((_, n) => `IM${n}`));
  slices.forEach((s, n) => {
    writeFileSync(join(folder, names[n]!), dicomFile(s));
  });
  for (const [name, bytes] of Object.entries(more)) writeFileSync(join(folder, name), bytes);
  return folder;
}
const header = (file: Uint8Array, size = file.length) => dicomHeader("f", file, size);
const headers = (slices: readonly DicomSlice[]) =>
  slices.map((s, n) => {
    const found = header(dicomFile(s));
    if (!found || found === "more") throw new Error("a header was expected");
    return { ...found, name: `s${n}` };
  });
const four = [0, 1, 2, 3].map((k) => slice(k));

describe("dicomHeader", () => {
  it("reads place, grid and series in every uncompressed syntax, and walks through sequences", () => {
    for (const syntax of ["explicit", "implicit", "big-endian"] as const)
      for (const sequence of [false, true])
        expect(header(dicomFile(slice(1, { syntax, sequence, thickness: 3 }))), `${syntax} ${sequence}`).toEqual({
          name: "f",
          series: "1.2.3.4",
          rows: 3,
          columns: 4,
          frames: 1,
          position: [-10, 20, 7.5],
          orientation: [1, 0, 0, 0, 1, 0],
          pixelSpacing: [0.8, 0.5],
          sliceDistance: 3,
        });
  });

  it("asks for more of a long file and says how many bytes of the pixels are missing in a short one", () => {
    const file = dicomFile(slice(0));
    expect(dicomHeader("f", file.subarray(0, 400), file.length)).toBe("more");
    expect(() => header(file.subarray(0, file.length - 10))).toThrow(/the pixels needs 24 bytes .* \(10 missing\)/);
    for (let cut = 132; cut < file.length; cut += 7) {
      let outcome: unknown;
      try {
        outcome = header(file.subarray(0, cut));
      } catch (error) {
        outcome = error;
      }
      expect(outcome === null || outcome instanceof DataError, `cut at ${cut}: ${outcome}`).toBe(true);
    }
  });

  it("gives a typed error or a header for damaged files, never another error or a hang", () => {
    const file = dicomFile(slice(0, { sequence: true }));
    for (let n = 0; n < 1000; n++) {
      const random = new RandomSource(3).fork(n);
      const bad = file.slice();
      for (let k = 0; k < 3; k++)
        bad[132 + random.integers(0, bad.length - 132, 1)[0]!] = random.integers(0, 256, 1)[0]!;
      try {
        header(bad);
      } catch (error) {
        expect(error, `mutation ${n}`).toBeInstanceOf(DataError);
      }
    }
  });
});

describe("dicomGeometry", () => {
  it("sorts by place along the normal, whatever the files' order, and measures the distance of slices", () => {
    const found = dicomGeometry("d", headers([four[2]!, four[0]!, four[3]!, four[1]!]));
    expect(found.files).toEqual(["s1", "s3", "s0", "s2"]);
    expect(found.size).toEqual([4, 3, 4]);
    expect(found.spacing).toEqual([0.5, 0.8, 2.5]);
    expect(found.affine).toEqual([-0.5, 0, 0, 10, 0, -0.8, 0, -20, 0, 0, 2.5, 5, 0, 0, 0, 1]);
  });

  it("follows oblique directions", () => {
    const [c, s] = [Math.cos(0.3), Math.sin(0.3)];
    const oblique = [0, 1, 2].map((k) =>
      slice(k, { orientation: [1, 0, 0, 0, c, s], position: [1, 2 - s * 3 * k, 3 + c * 3 * k] }),
    );
    const { affine, spacing } = dicomGeometry("d", headers(oblique));
    expect(spacing[2]).toBeCloseTo(3, 4);
    const want = [-0.5, 0, 0, -1, 0, -0.8 * c, 3 * s, -2, 0, 0.8 * s, 3 * c, 3, 0, 0, 0, 1];
    affine.forEach((x, i) => {
      expect(x).toBeCloseTo(want[i]!, 4);
    });
  });

  it("takes the distance of a single slice from its header", () => {
    expect(dicomGeometry("d", headers([slice(0, { thickness: 6 })])).spacing).toEqual([0.5, 0.8, 6]);
  });

  it("refuses what is no volume, saying why", () => {
    const cases: [string, DicomSlice[], RegExp][] = [
      ["a missing slice", [four[0]!, four[1]!, slice(3), slice(4)], /uneven slices: 5 mm between s1 and s2, 2\.5 mm/],
      ["a doubled slice", [...four, slice(2, { instance: 9 })], /two slices at one place/],
      ["two series", [...four, slice(4, { series: "9.9" })], /2 DICOM series \(1\.2\.3\.4: 4 files, 9\.9: 1 files\)/],
      ["another grid", [...four, slice(4, { rows: 4, columns: 3 })], /different grids: .* 4 x 3 voxels .* 3 x 4/],
      ["another direction", [...four, slice(4, { orientation: [0, 1, 0, 1, 0, 0] })], /turned/],
      ["frames", [slice(0, { frames: 7 })], /7 frames; multi-frame DICOM is not supported/],
      ["no position", [...four, slice(4, { position: null })], /does not say where its slice is/],
      ["a tilted stack", [0, 1, 2].map((k) => slice(k, { position: [0, k, 2 * k] })), /tilted series is not supported/],
    ];
    for (const [what, slices, message] of cases)
      expect(() => dicomGeometry("d", headers(slices)), what).toThrow(message);
  });
});

const { readImageDicomFileSeriesNode } = await import(/* @vite-ignore */ String("@itk-wasm/dicom")).catch(() => ({}));

describe("a folder of DICOM files", () => {
  it("says which package it needs where that is not installed, after its own checks", async () => {
    const cut = dicomFile(slice(9)).subarray(0, -4);
    await expect(readVolume(folderOf(four, { cut }))).rejects.toThrow(/cut: the file is truncated: .*\(4 missing\)/);
    if (!readImageDicomFileSeriesNode)
      await expect(readVolume(folderOf(four))).rejects.toThrow(/npm install @itk-wasm\/dicom/);
    await expect(readVolume(folderOf([...four, slice(7)]))).rejects.toThrow(/uneven slices/);
    await expect(readVolume(folderOf(four), { limits: { maxBytes: 100 } })).rejects.toThrow(/limits\.maxBytes/);
  });

  it.skipIf(!readImageDicomFileSeriesNode)(
    "reads values, rescaled, and geometry, whatever else lies there",
    async () => {
      const note = new TextEncoder().encode("x".repeat(500));
      const slices = four.map((s) => ({ ...s, intercept: -1024, slope: 2 }));
      const volume = await readVolume(folderOf(slices, { "note.txt": note }));
      expect(volume.shape).toEqual([4, 3, 4]);
      expect(volume.spacing).toEqual([0.5, 0.8, 2.5]);
      for (let x = 0; x < 4; x++)
        for (let y = 0; y < 3; y++)
          for (let z = 0; z < 4; z++) expect(volume.data[(x * 3 + y) * 4 + z]).toBe(2 * values(z)[y * 4 + x]! - 1024);
    },
  );
});
