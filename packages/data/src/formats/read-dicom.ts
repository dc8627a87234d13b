import { DataError } from "@semiseg/errors";
import { checkSize } from "../bytes/byte-reader.js";
import { nodeFs } from "../bytes/node-modules.js";
import { dataTypeOf } from "../bytes/typed-values.js";
import type { TypedArray, Volume } from "../types.js";
import { dicomGeometry } from "./dicom-geometry.js";
import { type DicomHeader, dicomHeader } from "./dicom-header.js";
import { fortranValues } from "./fortran-volume.js";

const PACKAGE = "@itk-wasm/dicom";

/** The parts of `@itk-wasm/dicom` that are used. */
interface DicomModule {
  readImageDicomFileSeriesNode(options: {
    inputImages: string[];
    singleSortedSeries: boolean;
  }): Promise<{ outputImage?: ItkImage }>;
}
interface ItkImage {
  readonly imageType: { readonly components: number };
  readonly origin: readonly number[];
  readonly spacing: readonly number[];
  readonly size: readonly number[];
  readonly data: TypedArray;
}

/** The headers of the DICOM files of a folder that hold pixels; other files, directories and reports are passed over. */
async function headersIn(folder: string, maxBytes: number): Promise<DicomHeader[]> {
  const fs = await nodeFs();
  const out: DicomHeader[] = [];
  let total = 0;
  for (const name of (await fs.readdir(folder)).filter((n) => !n.startsWith("."))) {
    const path = `${folder}/${name}`;
    const handle = await fs.open(path).catch(() => null);
    if (!handle) continue;
    try {
      const stat = await handle.stat();
      if (!stat.isFile() || stat.size < 132) continue;
      for (let length = Math.min(stat.size, 1 << 16); ; length = Math.min(stat.size, length * 8)) {
        const { buffer, bytesRead } = await handle.read(new Uint8Array(length), 0, length, 0);
        if (String.fromCharCode(...buffer.subarray(128, 132)) !== "DICM") break;
        const header = dicomHeader(path, buffer.subarray(0, bytesRead), stat.size);
        if (header === "more") continue;
        if (header) out.push(header);
        total += header ? stat.size : 0;
        break;
      }
    } finally {
      await handle.close();
    }
  }
  checkSize(folder, "the series", total, maxBytes);
  return out;
}

/**
 * One DICOM series through the optional package, which decodes the pixels. Order, place and distance of the slices are
 * worked out here from the headers, because the package believes that files are in order when told so and otherwise
 * averages uneven distances; it is given absolute paths, as it needs, and its grid must be the same.
 *
 * @returns null where the folder holds no DICOM image.
 */
export async function readDicom(folder: string, maxBytes: number): Promise<Volume | null> {
  const headers = await headersIn(folder, maxBytes);
  if (headers.length === 0) return null;
  const geometry = dicomGeometry(folder, headers);
  const { resolve } = await import("node:path");
  const specifier = PACKAGE;
  let dicom: DicomModule;
  try {
    dicom = (await import(/* @vite-ignore */ specifier)) as DicomModule;
  } catch (cause) {
    throw new DataError(`${folder}: DICOM needs the optional package ${PACKAGE}: npm install ${PACKAGE}`, { cause });
  }
  const image = await decoded(
    folder,
    dicom,
    geometry.files.map((f) => resolve(f)),
  );
  const { size, data, origin } = image;
  checkSize(folder, "the series", data.byteLength, maxBytes);
  const found = size.length === 2 ? [...size, 1] : size; // A single slice may come as a plane.
  if (found.join() !== geometry.size.join())
    throw new DataError(
      `${folder}: ${headers.length} slices of ${geometry.size[0]} x ${geometry.size[1]} became an image of [${size.join(", ")}]`,
    );
  const place = [-geometry.affine[3]!, -geometry.affine[7]!, geometry.affine[11]!];
  if (origin.some((x, r) => Math.abs(x - place[r]!) > 1e-2))
    throw new DataError(
      `${folder}: ${PACKAGE} puts the first voxel at [${origin.join(", ")}] mm, the headers at [${place.join(", ")}]`,
    );
  const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const stored = dataTypeOf(data);
  const { data: values, shape } = fortranValues(folder, raw, stored, true, geometry.size, image.imageType.components);
  return {
    data: values,
    shape,
    spacing: geometry.spacing,
    affine: geometry.affine,
    dtype: dataTypeOf(values),
    meta: { source: folder, format: "dicom", storedDtype: stored, affineSource: "header" },
  };
}

/** The package's image; whatever it throws (text, numbers, nothing at all) becomes a DataError. */
async function decoded(folder: string, dicom: DicomModule, inputImages: string[]): Promise<ItkImage> {
  let image: ItkImage | undefined;
  try {
    ({ outputImage: image } = await dicom.readImageDicomFileSeriesNode({ inputImages, singleSortedSeries: true }));
  } catch (cause) {
    const why = String((cause as Error)?.message ?? cause).trim();
    throw new DataError(`${folder}: the DICOM series cannot be read (${why})`, { cause });
  }
  if (!image?.data?.length) throw new DataError(`${folder}: the DICOM series cannot be read (no image came out)`);
  return image;
}
