import { bytesOfValues } from "../bytes/typed-values.js";
import type { DataType, TypedArray } from "../types.js";

const NAMES: Readonly<Record<DataType, string>> = {
  int8: "i1",
  uint8: "u1",
  int16: "i2",
  uint16: "u2",
  int32: "i4",
  uint32: "u4",
  float32: "f4",
  float64: "f8",
};

/** The bytes of an npy file (version 1, C order). */
export function npyBytes(data: TypedArray, dtype: DataType, shape: readonly number[], littleEndian = true): Uint8Array {
  const order = dtype.endsWith("int8") ? "|" : littleEndian ? "<" : ">";
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const text = `{'descr': '${order}${NAMES[dtype]}', 'fortran_order': False, 'shape': (${sizes}), }`;
  const header = `${text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11)}\n`;
  const out = new Uint8Array(10 + header.length + data.byteLength);
  out.set([0x93, 78, 85, 77, 80, 89, 1, 0, header.length & 255, header.length >> 8]);
  for (let i = 0; i < header.length; i++) out[10 + i] = header.charCodeAt(i);
  out.set(bytesOfValues(data, littleEndian), 10 + header.length);
  return out;
}
