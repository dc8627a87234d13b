import { DataError } from "@semiseg/errors";
import { diagonalAffine } from "../affine.js";
import { checkSize } from "../bytes/byte-reader.js";
import { nodeFs } from "../bytes/node-modules.js";
import { ARRAYS } from "../bytes/typed-values.js";
import type { TypedArray, Volume } from "../types.js";
import { readDicom } from "./read-dicom.js";

/** Files in the order a person counts: slice 2 before slice 10. */
const natural = new Intl.Collator("en", { numeric: true }).compare;

/** Reads a folder of slices: PNG files, or one DICOM series. */
export async function readSeries(
  folder: string,
  maxBytes: number,
  readSlice: (path: string) => Promise<Volume>,
): Promise<Volume> {
  const fs = await nodeFs();
  const base = folder.replace(/[\\/]+$/, "");
  const names = (await fs.readdir(folder)).filter((n) => !n.startsWith("."));
  const slices = names.filter((n) => /\.png$/i.test(n)).sort(natural);
  if (slices.length > 0) return readPngStack(base, slices, maxBytes, readSlice);
  const series = await readDicom(base, maxBytes);
  if (series) return series;
  throw new DataError(`${folder}: is a folder without PNG or DICOM files`);
}

async function readPngStack(
  base: string,
  slices: readonly string[],
  maxBytes: number,
  readSlice: (path: string) => Promise<Volume>,
): Promise<Volume> {
  const first = await readSlice(`${base}/${slices[0]}`);
  const count = slices.length;
  checkSize(base, `the stack of ${count} slices`, first.data.byteLength * count, maxBytes);
  if (first.shape.length !== 2) throw new DataError(`${base}/${slices[0]}: a stack must be of grey or palette images`);
  const data = new ARRAYS[first.dtype](first.data.length * count) as TypedArray;
  for (const [k, name] of slices.entries()) {
    const slice = k === 0 ? first : await readSlice(`${base}/${name}`);
    if (slice.shape.join() !== first.shape.join() || slice.dtype !== first.dtype)
      throw new DataError(
        `${base}/${name} is ${slice.dtype} of [${slice.shape.join(", ")}], ${slices[0]} is ${first.dtype} of [${first.shape.join(", ")}]`,
      );
    for (let v = 0; v < slice.data.length; v++) data[v * count + k] = slice.data[v]!;
  }
  const spacing = [...first.spacing, 1];
  return {
    ...first,
    data,
    shape: [...first.shape, count],
    spacing,
    affine: diagonalAffine(spacing),
    meta: { ...first.meta, source: base },
  };
}
