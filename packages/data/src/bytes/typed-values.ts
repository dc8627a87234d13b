import { DataError } from "@semiseg/errors";
import type { DataType, TypedArray } from "../types.js";

/** Array constructors by element type. */
export const ARRAYS = {
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  float32: Float32Array,
  float64: Float64Array,
} as const;

/** Element types that files use; 64-bit integers become float64 when every value is exact there. */
export type StoredType = DataType | "int64" | "uint64";

export const BYTES: Readonly<Record<StoredType, number>> = {
  int8: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  float32: 4,
  float64: 8,
  int64: 8,
  uint64: 8,
};

const HOST_LITTLE = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

function swapped(bytes: Uint8Array, width: number): Uint8Array {
  const out = new Uint8Array(bytes.length);
  for (let i = 0; i < bytes.length; i += width) for (let b = 0; b < width; b++) out[i + b] = bytes[i + width - 1 - b]!;
  return out;
}

/** The values in `bytes`, in the host's byte order; a view where possible, so treat it as read-only. */
export function typedValues(name: string, bytes: Uint8Array, type: StoredType, littleEndian: boolean): TypedArray {
  const width = BYTES[type];
  let source = width > 1 && littleEndian !== HOST_LITTLE ? swapped(bytes, width) : bytes;
  if (source.byteOffset % width !== 0) source = source.slice();
  const length = Math.floor(source.length / width);
  if (type !== "int64" && type !== "uint64")
    return new ARRAYS[type](source.buffer as ArrayBuffer, source.byteOffset, length);
  const Wide = type === "int64" ? BigInt64Array : BigUint64Array;
  const wide = new Wide(source.buffer as ArrayBuffer, source.byteOffset, length);
  const out = new Float64Array(length);
  for (let i = 0; i < length; i++) {
    out[i] = Number(wide[i]);
    if (!Number.isSafeInteger(out[i]))
      throw new DataError(`${name}: the ${type} value ${wide[i]} at element ${i} is beyond 2^53 and would be rounded`);
  }
  return out;
}

/** The bytes of `values` in the wanted byte order. */
export function bytesOfValues(values: TypedArray, littleEndian = true): Uint8Array {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const width = values.BYTES_PER_ELEMENT;
  return width > 1 && littleEndian !== HOST_LITTLE ? swapped(bytes, width) : bytes;
}

/** The element type of a typed array. */
export function dataTypeOf(values: TypedArray): DataType {
  for (const [type, Kind] of Object.entries(ARRAYS)) if (values instanceof Kind) return type as DataType;
  throw new DataError(`data must be a typed array of numbers, received ${Object.prototype.toString.call(values)}`);
}
