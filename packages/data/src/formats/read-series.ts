import { DataError } from "@semiseg/errors";
import { columnNorm, diagonalAffine, isOrthogonal } from "../affine.js";
import { checkSize } from "../bytes/byte-reader.js";
import { nodeFs } from "../bytes/node-modules.js";
import { ARRAYS, dataTypeOf } from "../bytes/typed-values.js";
import type { TypedArray, Volume } from "../types.js";
import { fortranValues } from "./fortran-volume.js";

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
  const dicom: string[] = [];
  for (const n of names) if (await isDicom(fs, `${base}/${n}`)) dicom.push(`${base}/${n}`);
  if (dicom.length > 0) return readDicom(base, dicom, maxBytes);
  throw new DataError(`${folder}: is a folder without PNG or DICOM files`);
}

async function isDicom(fs: Awaited<ReturnType<typeof nodeFs>>, path: string): Promise<boolean> {
  const handle = await fs.open(path).catch(() => null);
  if (!handle) return false;
  try {
    const head = new Uint8Array(132);
    const { bytesRead } = await handle.read(head, 0, 132, 0).catch(() => ({ bytesRead: 0 }));
    return bytesRead === 132 && String.fromCharCode(...head.subarray(128)) === "DICM";
  } finally {
    await handle.close();
  }
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

/** The parts of `@itk-wasm/dicom` that are used. */
interface DicomModule {
  readImageDicomFileSeriesNode(options: {
    inputImages: string[];
    singleSortedSeries: boolean;
  }): Promise<{ outputImage: ItkImage; sortedFilenames: string[] }>;
}
interface ItkImage {
  readonly imageType: { readonly dimension: number; readonly components: number };
  readonly origin: readonly number[];
  readonly spacing: readonly number[];
  readonly direction: ArrayLike<number>;
  readonly size: readonly number[];
  readonly data: TypedArray;
}

/**
 * One DICOM series through the optional package. It wants absolute paths; sorted input is not assumed, because it would
 * then be believed unsorted files and a wrong slice distance follows.
 */
async function readDicom(folder: string, files: readonly string[], maxBytes: number): Promise<Volume> {
  const { resolve } = await import("node:path");
  const name = "@itk-wasm/dicom";
  let dicom: DicomModule;
  try {
    dicom = (await import(/* @vite-ignore */ name)) as DicomModule;
  } catch (cause) {
    throw new DataError(`${folder}: DICOM needs the optional package ${name}: npm install ${name}`, { cause });
  }
  let image: ItkImage;
  try {
    const inputImages = files.map((f) => resolve(f));
    ({ outputImage: image } = await dicom.readImageDicomFileSeriesNode({ inputImages, singleSortedSeries: false }));
  } catch (cause) {
    throw new DataError(`${folder}: the DICOM series cannot be read (${String((cause as Error)?.message ?? cause)})`, {
      cause,
    });
  }
  const { size, spacing, origin, direction, data } = image;
  const components = image.imageType.components;
  checkSize(folder, "the series", data.byteLength, maxBytes);
  if (size.length !== 3 || size[2] !== files.length)
    throw new DataError(
      `${folder}: ${files.length} DICOM files became an image of [${size.join(", ")}]: it holds several series, or slices are missing`,
    );
  const affine = diagonalAffine([1, 1, 1]);
  const signs = [-1, -1, 1]; // left, posterior, superior to right, anterior, superior
  for (let r = 0; r < 3; r++) {
    for (let a = 0; a < 3; a++) affine[4 * r + a] = direction[3 * r + a]! * spacing[a]! * signs[r]! + 0;
    affine[4 * r + 3] = origin[r]! * signs[r]! + 0;
  }
  if (!isOrthogonal(affine) || columnNorm(affine, 2) === 0)
    throw new DataError(
      `${folder}: the slices' positions are not along their normal; a tilted series is not supported`,
    );
  const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const { data: values, shape } = fortranValues(folder, raw, dataTypeOf(data), true, size, components);
  return {
    data: values,
    shape,
    spacing: [...spacing],
    affine,
    dtype: dataTypeOf(values),
    meta: { source: folder, format: "dicom", storedDtype: dataTypeOf(data), affineSource: "header" },
  };
}
