import { DataError } from "@semiseg/errors";
import type { Dataset as H5Dataset, File as H5File, Group as H5Group } from "h5wasm";
import { diagonalAffine } from "../affine.js";
import { checkSize } from "../bytes/byte-reader.js";
import { dataTypeOf } from "../bytes/typed-values.js";
import type { TypedArray, Volume } from "../types.js";

export const isHdf5 = (bytes: Uint8Array): boolean =>
  [0x89, 0x48, 0x44, 0x46, 13, 10, 26, 10].every((b, i) => bytes[i] === b);

let counter = 0;

/** Names of the numeric data sets, with folders. */
function listed(group: H5Group, prefix = "", depth = 0): string[] {
  if (depth > 8) return [];
  return group.keys().flatMap((key) => {
    const item = group.get(key) as (H5Group & { keys?: unknown }) | H5Dataset | null;
    if (item && "keys" in item && typeof item.keys === "function") return listed(item, `${prefix}${key}/`, depth + 1);
    return item ? [prefix + key] : [];
  });
}

/**
 * Reads one data set of an HDF5 file: `member`, else 'image', else the only one. Spacing from an attribute 'spacing' of
 * the data set where there is one, else 1; no orientation.
 */
export async function readHdf5(
  name: string,
  bytes: Uint8Array,
  member: string | undefined,
  maxBytes: number,
): Promise<Volume> {
  const h5 = (await import("h5wasm")).default;
  const { FS } = (await h5.ready) as unknown as {
    FS: { writeFile(p: string, b: Uint8Array): void; unlink(p: string): void };
  };
  const path = `/semiseg-${counter++}.h5`;
  FS.writeFile(path, bytes);
  let file: H5File | null = null;
  try {
    file = new h5.File(path, "r");
    if (!(file.file_id > 0n || Number(file.file_id) > 0)) throw new Error("the library cannot open it");
    return readMember(name, file, member, bytes.length, maxBytes);
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    throw new DataError(`${name}: damaged HDF5 file (${(cause as Error).message ?? cause})`, { cause });
  } finally {
    try {
      file?.close();
    } catch {
      // A damaged file may not close; its memory goes with the next line.
    }
    FS.unlink(path);
  }
}

function readMember(
  name: string,
  file: H5File,
  wanted: string | undefined,
  fileSize: number,
  maxBytes: number,
): Volume {
  const names = listed(file);
  const member = wanted ?? (names.includes("image") ? "image" : names.length === 1 ? names[0]! : undefined);
  if (member === undefined || !names.includes(member))
    throw new DataError(
      `${name}: ${wanted === undefined ? "several data sets and no 'image'; name one after '#'" : `no data set '${wanted}'`} (it has ${names.slice(0, 12).join(", ") || "none"})`,
    );
  const label = `${name}#${member}`;
  const dataset = file.get(member) as H5Dataset;
  const shape = [...(dataset.shape ?? [])];
  if (shape.length < 1 || shape.length > 7 || shape.some((n) => !Number.isSafeInteger(n) || n < 1))
    throw new DataError(`${label}: the shape is [${shape.join(", ")}], expected one to seven positive sizes`);
  const { size } = dataset.metadata;
  const values = shape.reduce((a, b) => a * b, 1);
  checkSize(label, "the data set", values * size, maxBytes);
  if (values * size > fileSize * 1032 + 65536)
    throw new DataError(
      `${label}: the file is truncated or its header damaged: [${shape.join(", ")}] cannot be in ${fileSize} bytes`,
    );
  const value = dataset.value as unknown;
  const data = plainNumbers(label, value);
  if (data.length !== values) throw new DataError(`${label}: ${data.length} values for shape [${shape.join(", ")}]`);
  const spacing = spacingOf(dataset, shape);
  return {
    data,
    shape,
    spacing,
    affine: diagonalAffine(spacing),
    dtype: dataTypeOf(data),
    meta: { source: label, format: "hdf5", storedDtype: String(dataset.dtype), affineSource: "none" },
  };
}

function plainNumbers(label: string, value: unknown): TypedArray {
  if (value instanceof BigInt64Array || value instanceof BigUint64Array) {
    const out = Float64Array.from(value as BigInt64Array, Number);
    if (!out.every(Number.isSafeInteger)) throw new DataError(`${label}: 64-bit integers beyond 2^53 would be rounded`);
    return out;
  }
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return value as TypedArray;
  if (Array.isArray(value) && value.every((x) => typeof x === "boolean" || typeof x === "number"))
    return Uint8Array.from(value as number[], Number);
  throw new DataError(`${label}: the data set does not hold plain numbers`);
}

function spacingOf(dataset: H5Dataset, shape: readonly number[]): number[] {
  const plain = shape.slice(0, 3).map(() => 1);
  const value = dataset.attrs["spacing"]?.value as ArrayLike<number> | undefined;
  if (!value || value.length !== plain.length) return plain;
  const spacing = Array.from(value, Number);
  return spacing.every((s) => Number.isFinite(s) && s > 0) ? spacing : plain;
}
