import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type DataType, encodeVolume, readVolume, type Volume, writeVolume } from "@semiseg/data";
import { DataError, OptionError, ShapeError } from "@semiseg/errors";
import { RandomSource } from "@semiseg/random";
import { describe, expect, it } from "vitest";
import { ARRAYS } from "../src/bytes/typed-values.js";
import { tempFolder } from "./helpers/temp-folder.js";

const folder = tempFolder();
const oblique = [0.9, -0.3, 0.1, -20, 0.4, 1.2, -0.2, 5, 0.05, 0.3, 2.4, 7, 0, 0, 0, 1];

function volume(
  dtype: DataType,
  shape: number[],
  affine: number[] = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1],
): Volume {
  const data = new ARRAYS[dtype](shape.reduce((a, b) => a * b, 1));
  for (let n = 0; n < data.length; n++) data[n] = (n * 37) % 101;
  const spacing = [0, 1, 2].map((a) => Math.hypot(affine[a]!, affine[4 + a]!, affine[8 + a]!)).slice(0, shape.length);
  return { data, shape, spacing, affine, dtype, meta: {} };
}

describe("writeVolume", () => {
  for (const dtype of Object.keys(ARRAYS) as DataType[])
    for (const version of [1, 2] as const)
      it(`writes ${dtype} as NIfTI-${version} in both byte orders so that it reads back equal`, async () => {
        for (const littleEndian of [true, false])
          for (const extension of [".nii", ".nii.gz"]) {
            const path = join(folder, `${dtype}-${version}-${littleEndian}${extension}`);
            const original = volume(dtype, [5, 4, 3], oblique);
            await writeVolume(path, original, { version, littleEndian });
            const back = await readVolume(path);
            expect(back.data).toEqual(original.data);
            expect(back.shape).toEqual(original.shape);
            expect(back.meta.littleEndian).toBe(littleEndian);
            back.affine.forEach((x, n) => {
              expect(x).toBeCloseTo(oblique[n]!, 5);
            });
            back.spacing.forEach((x, n) => {
              expect(x).toBeCloseTo(original.spacing[n]!, 5);
            });
          }
      });

  it("keeps shapes from one to five axes", async () => {
    for (const shape of [[7], [3, 5], [2, 3, 4], [2, 3, 4, 5], [2, 2, 2, 2, 3]]) {
      const path = join(folder, `rank-${shape.length}.nii`);
      const original = volume("int16", shape);
      await writeVolume(path, original);
      const back = await readVolume(path);
      expect(back.shape).toEqual(shape);
      expect(back.data).toEqual(original.data);
      expect(back.spacing).toHaveLength(Math.min(3, shape.length));
    }
  });

  it("writes a qform equal to the sform for every rotation, also half turns and mirrored axes", async () => {
    const random = new RandomSource(4);
    for (let trial = 0; trial < 50; trial++) {
      const q = Array.from({ length: 4 }, () => random.nextNormal());
      const rounded = trial % 2 ? q : q.map(Math.round);
      const norm = Math.hypot(...rounded) || 1;
      if (norm === 1 && !rounded.some(Boolean)) rounded[0] = 1;
      const [a, b, c, d] = rounded.map((x) => x / norm) as [number, number, number, number];
      const mirror = trial % 3 ? 1 : -1;
      const affine = [
        a * a + b * b - c * c - d * d,
        2 * (2 * (b * c - a * d)),
        mirror * 3 * 2 * (b * d + a * c),
        9,
        2 * (b * c + a * d),
        2 * (a * a + c * c - b * b - d * d),
        mirror * 3 * 2 * (c * d - a * b),
        -4,
        2 * (b * d - a * c),
        2 * (2 * (c * d + a * b)),
        mirror * 3 * (a * a + d * d - c * c - b * b),
        2,
        0,
        0,
        0,
        1,
      ];
      const path = join(folder, "rotation.nii");
      await writeVolume(path, volume("uint8", [2, 2, 2], affine));
      const bytes = readFileSync(path);
      expect(bytes.readInt16LE(252)).toBe(1);
      bytes.writeInt16LE(0, 254); // without the sform the qform must give the same
      const back = await readVolume(bytes);
      expect(back.meta.affineSource).toBe("qform");
      back.affine.forEach((x, n) => {
        expect(x).toBeCloseTo(affine[n]!, 4);
      });
    }
  });

  it("leaves the qform out where the axes are sheared", async () => {
    const path = join(folder, "sheared.nii");
    const affine = [1, 0.2, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
    await writeVolume(path, { ...volume("uint8", [2, 2, 2], affine) });
    const bytes = readFileSync(path);
    expect([bytes.readInt16LE(252), bytes.readInt16LE(254)]).toEqual([0, 1]);
  });

  it("stores scaled integers and reads the scaled values back", async () => {
    const path = join(folder, "scaled.nii.gz");
    const original = {
      ...volume("float32", [4, 4, 4]),
      data: Float32Array.from({ length: 64 }, (_, n) => n * 0.25 - 3),
    };
    await writeVolume(path, original, { dtype: "int16", slope: 0.25, inter: -3 });
    const back = await readVolume(path);
    expect(back.meta.storedDtype).toBe("int16");
    expect(back.data).toEqual(original.data);
  });

  it("refuses values that the element type cannot hold, and leaves no file behind", async () => {
    const path = join(folder, "refused.nii");
    const negative = { ...volume("float32", [2]), data: Float32Array.from([1, -1]) };
    await expect(writeVolume(path, negative, { dtype: "uint8" })).rejects.toThrow(
      /value -1 at element 1 does not fit uint8/,
    );
    const half = { ...volume("float32", [2]), data: Float32Array.from([1, 0.5]) };
    await expect(writeVolume(path, half, { dtype: "int16" })).rejects.toThrow(DataError);
    expect(existsSync(path)).toBe(false);
    await expect(writeVolume(join(folder, "no", "such.nii"), half)).rejects.toThrow(/cannot be written/);
    expect(readdirSync(folder).filter((f) => f.endsWith(".part"))).toEqual([]);
  });

  it("checks shape, dtype, spacing, affine, extension and options", async () => {
    const path = join(folder, "x.nii");
    const good = volume("uint8", [2, 2, 2]);
    await expect(writeVolume(path, { ...good, shape: [2, 2, 3] })).rejects.toThrow(ShapeError);
    await expect(writeVolume(path, { ...good, dtype: "int8" })).rejects.toThrow(OptionError);
    await expect(writeVolume(path, { ...good, spacing: [1, 1, 1, 1] })).rejects.toThrow(/spacing must be 3 positive/);
    await expect(writeVolume(path, { ...good, spacing: [1, 1, 0] })).rejects.toThrow(OptionError);
    await expect(writeVolume(path, { ...good, affine: new Array(16).fill(0) })).rejects.toThrow(/invertible/);
    await expect(writeVolume(join(folder, "x.txt"), good)).rejects.toThrow(/must end in \.nii\.gz, \.nii/);
    await expect(writeVolume(path, good, { slope: 0 })).rejects.toThrow(OptionError);
    await expect(writeVolume(`${path}.gz`, good, { level: 10 })).rejects.toThrow(/level/);
    await expect(writeVolume(path, volume("uint8", [40000]), { version: 1 })).rejects.toThrow(/up to 32767/);
    await writeVolume(path, volume("uint8", [40000]));
    expect((await readVolume(path)).meta.format).toBe("nifti2");
  });
});

describe("encodeVolume", () => {
  for (const name of ["a.nii", "a.nii.gz", "a.nrrd", "a.mha", "a.npy"])
    it(`gives the bytes that writeVolume writes, and readVolume reads: ${name}`, async () => {
      const original = volume("int16", [5, 4, 3]);
      const path = join(folder, `encoded-${name}`);
      await writeVolume(path, original);
      const bytes = await encodeVolume(name, original);
      expect(Buffer.from(bytes).equals(readFileSync(path))).toBe(true);
      expect((await readVolume(bytes)).data).toEqual(original.data);
    });

  it("refuses an unknown extension", async () => {
    await expect(encodeVolume("a.xyz", volume("int16", [2, 2, 2]))).rejects.toThrow(OptionError);
  });
});
