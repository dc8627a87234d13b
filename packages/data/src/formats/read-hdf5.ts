import { DataError } from "@semiseg/errors";
import { diagonalAffine } from "../affine.js";
import { ARRAYS, dataTypeOf, typedValues } from "../bytes/typed-values.js";
import type { TypedArray, Volume } from "../types.js";
import { H5Bytes } from "./hdf5/h5-bytes.js";
import { h5Values, isDatasetHeader } from "./hdf5/h5-dataset.js";
import { h5Links, h5Messages } from "./hdf5/h5-object.js";
import { halfToNumber } from "./read-npy.js";

const SIGNATURE = [0x89, 0x48, 0x44, 0x46, 13, 10, 26, 10];

/** Where the file proper begins: at 0, or after a user block (MATLAB writes one of 512 bytes); -1 for other files. */
function startOf(bytes: Uint8Array): number {
  for (let at = 0; at + 8 <= bytes.length && at <= 1 << 20; at = at === 0 ? 512 : at * 2)
    if (SIGNATURE.every((b, i) => bytes[at + i] === b)) return at;
  return -1;
}

export const isHdf5 = (bytes: Uint8Array): boolean => startOf(bytes) >= 0;

/** Reads the superblock into `h5`; returns the root group's object header. */
function superblock(h5: H5Bytes, start: number): number {
  const version = h5.u8(start + 8);
  if (version > 3) throw h5.unsupported(`superblock version ${version}`);
  const old = version < 2;
  h5.offsetSize = h5.u8(start + (old ? 13 : 9));
  h5.lengthSize = h5.u8(start + (old ? 14 : 10));
  if (![2, 4, 8].includes(h5.offsetSize) || ![2, 4, 8].includes(h5.lengthSize))
    throw h5.damaged(`offsets of ${h5.offsetSize} and lengths of ${h5.lengthSize} bytes`);
  const at = start + (old ? (version === 1 ? 28 : 24) : 12);
  h5.base = h5.address(at);
  if (h5.base !== start) throw h5.damaged(`base address ${h5.base}, expected ${start}`);
  const end = h5.uint(at + 2 * h5.offsetSize, h5.offsetSize); // counts from the file's first byte
  if (end > h5.bytes.length)
    throw new DataError(
      `${h5.name}: the file is truncated: it should have ${end} bytes and has ${h5.bytes.length} (${end - h5.bytes.length} missing)`,
    );
  return h5.address(at + (old ? 5 : 3) * h5.offsetSize);
}

/** Names of the numeric data sets (with their groups) and their object headers. */
function datasets(h5: H5Bytes, header: number, prefix: string, depth: number, out: Map<string, number>): void {
  for (const [name, address] of h5Links(h5, h5Messages(h5, header))) {
    if (address < 0) continue;
    const messages = h5Messages(h5, address);
    if (isDatasetHeader(messages)) out.set(prefix + name, address);
    else if (depth < 8) datasets(h5, address, `${prefix}${name}/`, depth + 1, out);
  }
}

/**
 * Reads one data set of an HDF5 file: `member`, else 'image', else the only one. Numbers of any size, contiguous,
 * compact or chunked, with deflate, shuffle, LZF and checksums; spacing 1, no orientation.
 */
export async function readHdf5(
  name: string,
  bytes: Uint8Array,
  wanted: string | undefined,
  maxBytes: number,
): Promise<Volume> {
  const h5 = new H5Bytes(name, bytes);
  const found = new Map<string, number>();
  datasets(h5, superblock(h5, startOf(bytes)), "", 0, found);
  const names = [...found.keys()];
  const member = wanted ?? (found.has("image") ? "image" : names.length === 1 ? names[0]! : undefined);
  if (member === undefined || !found.has(member))
    throw new DataError(
      `${name}: ${wanted === undefined ? "several data sets and no 'image'; name one after '#'" : `no data set '${wanted}'`} (it has ${names.slice(0, 12).join(", ") || "none"})`,
    );
  const label = `${name}#${member}`;
  const { shape, stored, littleEndian, bytes: raw } = await h5Values(h5, h5Messages(h5, found.get(member)!), maxBytes);
  let data: TypedArray;
  if (stored === "float16") data = Float32Array.from(typedValues(label, raw, "uint16", littleEndian), halfToNumber);
  else {
    const view = typedValues(label, raw, stored, littleEndian);
    data = new ARRAYS[dataTypeOf(view)](view); // a copy: the file's bytes are not kept alive by a small array
  }
  const spacing = shape.slice(0, 3).map(() => 1);
  return {
    data,
    shape,
    spacing,
    affine: diagonalAffine(spacing),
    dtype: dataTypeOf(data),
    meta: { source: label, format: "hdf5", storedDtype: stored, littleEndian, affineSource: "none" },
  };
}
