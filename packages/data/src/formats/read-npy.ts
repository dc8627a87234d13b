import { DataError } from "@semiseg/errors";
import { diagonalAffine } from "../affine.js";
import type { ByteReader } from "../bytes/byte-reader.js";
import { fortranToC } from "../bytes/reorder.js";
import { ARRAYS, dataTypeOf, type StoredType, typedValues } from "../bytes/typed-values.js";
import type { TypedArray, Volume } from "../types.js";

const TYPES: Readonly<Record<string, StoredType | "float16">> = {
  b1: "uint8",
  i1: "int8",
  u1: "uint8",
  i2: "int16",
  u2: "uint16",
  i4: "int32",
  u4: "uint32",
  i8: "int64",
  u8: "uint64",
  f2: "float16",
  f4: "float32",
  f8: "float64",
};

export const isNpy = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x93 && new TextDecoder("latin1").decode(bytes.subarray(1, 6)) === "NUMPY";

/** IEEE half precision as a number. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Reads a numpy array: spacing 1, no orientation. Booleans become uint8, float16 becomes float32. */
export async function readNpy(reader: ByteReader, format: "npy" | "npz", ignoreTrailing: boolean): Promise<Volume> {
  const { name } = reader;
  const start = (await reader.read(8, "the npy header")).slice();
  if (!isNpy(start)) throw new DataError(`${name}: not an npy file`);
  const major = start[6]!;
  if (major < 1 || major > 3) throw new DataError(`${name}: npy version ${major} is unknown`);
  const sizeBytes = (await reader.read(major === 1 ? 2 : 4, "the npy header")).slice();
  const size = new DataView(sizeBytes.buffer)[major === 1 ? "getUint16" : "getUint32"](0, true);
  if (size > 1 << 20) throw new DataError(`${name}: damaged npy header (${size} bytes long)`);
  const text = new TextDecoder("latin1").decode(await reader.read(size, "the npy header"));
  const descr = /'descr'\s*:\s*'([<>|=])([a-zA-Z]\d+)'/.exec(text);
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(text);
  const shapeText = /'shape'\s*:\s*\(([\d,\sL]*)\)/.exec(text);
  if (!order || !shapeText)
    throw new DataError(`${name}: damaged npy header: ${JSON.stringify(text.trim().slice(0, 120))}`);
  const type = descr ? TYPES[descr[2]!] : undefined;
  if (!descr || !type)
    throw new DataError(`${name}: npy type ${/'descr'\s*:\s*([^,]*)/.exec(text)?.[1] ?? "?"} is not supported`);
  const shape = shapeText[1]!
    .split(",")
    .map((s) => s.replace(/L/, "").trim())
    .filter(Boolean)
    .map(Number);
  if (shape.length === 0 || shape.length > 7 || shape.some((n) => !Number.isSafeInteger(n) || n < 1))
    throw new DataError(`${name}: the shape is (${shapeText[1]}), expected one to seven positive sizes`);
  const values = shape.reduce((a, b) => a * b, 1);
  const width = Number(descr[2]!.slice(1));
  const bytes = await reader.read(values * width, `the data ([${shape.join(", ")}] of ${descr[2]})`);
  await reader.finish(ignoreTrailing);
  const little = descr[1] !== ">";
  let raw: TypedArray;
  if (type === "float16") raw = Float32Array.from(typedValues(name, bytes, "uint16", little), halfToNumber);
  else raw = typedValues(name, bytes, type, little).slice();
  const data = order[1] === "True" ? fortranToC(raw, new ARRAYS[dataTypeOf(raw)](raw.length), shape) : raw;
  const spacing = shape.slice(0, 3).map(() => 1);
  return {
    data,
    shape,
    spacing,
    affine: diagonalAffine(spacing),
    dtype: dataTypeOf(data),
    meta: { source: name, format, storedDtype: type, littleEndian: little, affineSource: "none" },
  };
}
