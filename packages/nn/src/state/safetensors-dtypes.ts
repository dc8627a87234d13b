import { CheckpointError } from "@semiseg/errors";

/** How one element type of the format becomes a tensor. */
export interface SafetensorsDtype {
  readonly bytes: number;
  readonly dtype: "float32" | "int32" | "bool";
  /** Reads `n` elements from `offset`. */
  read(view: DataView, offset: number, n: number): Float32Array | Int32Array | Uint8Array;
}

const floats = (bytes: number, at: (view: DataView, offset: number) => number): SafetensorsDtype => ({
  bytes,
  dtype: "float32",
  read: (view, offset, n) => Float32Array.from({ length: n }, (_, i) => at(view, offset + i * bytes)),
});

const integers = (bytes: number, at: (view: DataView, offset: number) => number): SafetensorsDtype => ({
  bytes,
  dtype: "int32",
  read: (view, offset, n) => Int32Array.from({ length: n }, (_, i) => at(view, offset + i * bytes)),
});

/** IEEE half precision. */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const scratch = new DataView(new ArrayBuffer(4));

function brain(bits: number): number {
  scratch.setUint32(0, bits << 16);
  return scratch.getFloat32(0);
}

function int64(view: DataView, offset: number): number {
  const value = view.getBigInt64(offset, true);
  if (value < -0x80000000n || value > 0x7fffffffn)
    throw new CheckpointError(`safetensors: the I64 value ${value} does not fit in int32`);
  return Number(value);
}

/** Element types that can be read. Narrower floats widen to float32, F64 is rounded, integers become int32. */
export const safetensorsDtypes: Readonly<Record<string, SafetensorsDtype>> = {
  F32: {
    bytes: 4,
    dtype: "float32",
    read: (view, offset, n) => {
      // One copy, aligned; typed arrays share the machine's order, which is little-endian wherever Node and browsers run.
      const start = view.byteOffset + offset;
      return new Float32Array(view.buffer.slice(start, start + 4 * n) as ArrayBuffer);
    },
  },
  F64: floats(8, (view, offset) => view.getFloat64(offset, true)),
  F16: floats(2, (view, offset) => half(view.getUint16(offset, true))),
  BF16: floats(2, (view, offset) => brain(view.getUint16(offset, true))),
  I64: integers(8, int64),
  I32: integers(4, (view, offset) => view.getInt32(offset, true)),
  I16: integers(2, (view, offset) => view.getInt16(offset, true)),
  I8: integers(1, (view, offset) => view.getInt8(offset)),
  U8: integers(1, (view, offset) => view.getUint8(offset)),
  BOOL: {
    bytes: 1,
    dtype: "bool",
    read: (view, offset, n) => Uint8Array.from({ length: n }, (_, i) => (view.getUint8(offset + i) ? 1 : 0)),
  },
};
