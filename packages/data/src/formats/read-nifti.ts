import { DataError } from "@semiseg/errors";
import type { ByteReader } from "../bytes/byte-reader.js";
import { fortranToCThrough } from "../bytes/reorder.js";
import { BYTES, dataTypeOf } from "../bytes/typed-values.js";
import type { TypedArray, Volume } from "../types.js";
import { fortranValues } from "./fortran-volume.js";
import { type AffineRule, type NiftiHeader, niftiHeaderSize, parseNiftiHeader } from "./nifti-header.js";

/** How a NIfTI file is read; see `ReadVolumeOptions`. */
export interface NiftiReadOptions {
  readonly affine?: AffineRule;
  readonly trailing?: "refuse" | "ignore";
  /** Opens the ".img" of a two-file image. */
  readonly detached?: () => Promise<ByteReader>;
}

/** Applies slope and intercept: float32 for up to 16-bit integers and float32, else float64. Unscaled values stay. */
function scaled(values: TypedArray, header: NiftiHeader): TypedArray {
  const { slope, inter, stored } = header;
  if (slope === 1 && inter === 0) return values;
  const Real = BYTES[stored] <= 2 || stored === "float32" ? Float32Array : Float64Array;
  const out = new Real(values.length);
  for (let i = 0; i < out.length; i++) out[i] = values[i]! * slope + inter;
  return out;
}

/** The voxels in C order, scaled. */
function valuesOf(
  name: string,
  bytes: Uint8Array,
  header: NiftiHeader,
): { data: TypedArray; shape: readonly number[] } {
  const { slope, inter, stored, shape, littleEndian, components } = header;
  if (stored === "uint8" && components === 1 && (slope !== 1 || inter !== 0)) {
    const table = Float32Array.from({ length: 256 }, (_, value) => value * slope + inter);
    return { data: fortranToCThrough(bytes, table, new Float32Array(bytes.length), shape), shape };
  }
  const plain = fortranValues(name, bytes, stored, littleEndian, shape, components);
  return components > 1 ? plain : { ...plain, data: scaled(plain.data, header) };
}

/** Reads a NIfTI-1 or NIfTI-2 file whose first bytes come from `reader`. */
export async function readNifti(reader: ByteReader, options: NiftiReadOptions = {}): Promise<Volume> {
  const { name } = reader;
  const start = await reader.read(348, "the NIfTI header");
  const size = niftiHeaderSize(start);
  if (!size) throw new DataError(`${name}: not a NIfTI file (its first four bytes are not 348 or 540)`);
  let head = start;
  if (size === 540) {
    head = new Uint8Array(540);
    head.set(start);
    head.set(await reader.read(192, "the NIfTI-2 header"), 348);
  }
  const header = parseNiftiHeader(name, head, options.affine);
  let data = reader;
  let skip = header.dataOffset - size;
  if (!header.single) {
    if (!options.detached)
      throw new DataError(`${name}: its values are in a separate .img file; read it by its path, with both together`);
    data = await options.detached();
    skip = header.dataOffset;
  }
  await data.read(skip, "the space before the voxels (vox_offset)");
  const voxels = header.shape.reduce((a, b) => a * b, 1);
  const bytes = await data.read(
    voxels * header.components * BYTES[header.stored],
    `the data ([${header.shape.join(", ")}] of ${header.stored}${header.components > 1 ? ` x ${header.components}` : ""})`,
  );
  await data.finish(options.trailing === "ignore");

  const { data: values, shape } = valuesOf(data.name, bytes, header);
  return {
    data: values,
    shape,
    spacing: header.spacing,
    affine: header.affine,
    dtype: dataTypeOf(values),
    meta: {
      source: name,
      format: header.version === 1 ? "nifti1" : "nifti2",
      storedDtype: header.stored,
      littleEndian: header.littleEndian,
      affineSource: header.affineSource,
      sclSlope: header.slope,
      sclInter: header.inter,
      ...(header.components > 1 ? { components: header.components } : {}),
      ...(header.description ? { description: header.description } : {}),
      header: header.fields,
    },
  };
}
