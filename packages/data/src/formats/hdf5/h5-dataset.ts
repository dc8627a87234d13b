import { checkSize } from "../../bytes/byte-reader.js";
import { BYTES, type StoredType } from "../../bytes/typed-values.js";
import type { H5Bytes } from "./h5-bytes.js";
import { type H5Chunk, h5Chunks } from "./h5-chunks.js";
import { decodeChunk, type H5Filter } from "./h5-filters.js";
import type { H5Message } from "./h5-object.js";

/** A numeric data set: its shape, element type and raw bytes in C order. */
export interface H5Values {
  readonly shape: readonly number[];
  readonly stored: StoredType | "float16";
  readonly littleEndian: boolean;
  readonly bytes: Uint8Array;
}

export const isDatasetHeader = (messages: readonly H5Message[]): boolean => messages.some((m) => m.type === 0x08);

/** Reads the data set whose object header has these messages. */
export async function h5Values(h5: H5Bytes, messages: readonly H5Message[], maxBytes: number): Promise<H5Values> {
  const find = (type: number): H5Message | undefined => {
    const message = messages.find((m) => m.type === type);
    if (message && message.flags & 2) throw h5.unsupported("shared types");
    return message;
  };
  const [space, kind, layout] = [find(0x01), find(0x03), find(0x08)];
  if (!space || !kind || !layout) throw h5.damaged("a data set without shape, type or layout");
  const shape = dataspace(h5, space.at);
  const { stored, littleEndian } = datatype(h5, kind.at);
  const width = stored === "float16" ? 2 : BYTES[stored];
  const total = shape.reduce((a, b) => a * b, 1) * width;
  const what = `the data set ([${shape.join(", ")}] of ${stored})`;
  checkSize(h5.name, what, total, maxBytes);
  const filters = find(0x0b) ? pipeline(h5, find(0x0b)!.at) : [];

  const version = h5.u8(layout.at);
  if (version < 3 || version > 5) throw h5.unsupported(`layout version ${version}`);
  const storage = h5.u8(layout.at + 1);
  if (storage === 0) {
    const size = h5.u16(layout.at + 2);
    if (size !== total) throw h5.damaged(`${what} has ${size} bytes, expected ${total}`);
    return { shape, stored, littleEndian, bytes: h5.slice(layout.at + 4, total, what) };
  }
  if (storage === 1) {
    const [address, size] = [h5.address(layout.at + 2), h5.length(layout.at + 2 + h5.offsetSize)];
    if (address < 0) throw h5.damaged(`${what} was never written`);
    if (size !== total) throw h5.damaged(`${what} has ${size} bytes, expected ${total}`);
    return { shape, stored, littleEndian, bytes: h5.slice(address, total, what) };
  }
  if (storage !== 2) throw h5.unsupported(`layout class ${storage}`);
  // Deflate grows at most 1032-fold: more than that cannot be in the file.
  if (total > h5.bytes.length * 1032) throw h5.damaged(`${what} cannot be in a file of ${h5.bytes.length} bytes`);
  const { chunkShape, chunks } = h5Chunks(h5, layout.at, version, shape, width, filters.length > 0);
  const bytes = new Uint8Array(total);
  const chunkBytes = chunkShape.reduce((a, b) => a * b, 1) * width;
  checkSize(h5.name, "a chunk", chunkBytes, Math.min(maxBytes, h5.bytes.length * 1032));
  const filled = new Set<string>();
  for (const chunk of chunks) {
    if (chunk.offsets.some((o, a) => o % chunkShape[a]! !== 0 || o >= shape[a]!))
      throw h5.damaged("a chunk lies outside the data set");
    const raw = h5.slice(chunk.address, chunk.size, "a chunk");
    const data = await decodeChunk(h5, raw, filters, chunk.mask, chunkBytes, width);
    placeChunk(bytes, shape, chunkShape, width, chunk, data);
    filled.add(chunk.offsets.join());
  }
  const expected = shape.reduce((n, s, a) => n * Math.ceil(s / chunkShape[a]!), 1);
  if (filled.size !== expected) throw h5.damaged(`${what} has ${filled.size} of ${expected} chunks`);
  return { shape, stored, littleEndian, bytes };
}

function dataspace(h5: H5Bytes, at: number): number[] {
  const version = h5.u8(at);
  const rank = h5.u8(at + 1);
  if (version !== 1 && version !== 2) throw h5.damaged(`dataspace version ${version}`);
  if (rank < 1 || rank > 7) throw h5.damaged(`a data set of ${rank} axes, expected 1 to 7`);
  const start = at + (version === 1 ? 8 : 4);
  const shape = Array.from({ length: rank }, (_, a) => h5.length(start + a * h5.lengthSize));
  if (shape.some((n) => !Number.isSafeInteger(n) || n < 1)) throw h5.damaged(`the shape is [${shape.join(", ")}]`);
  return shape;
}

function datatype(h5: H5Bytes, at: number): { stored: StoredType | "float16"; littleEndian: boolean } {
  const kind = h5.u8(at) & 15;
  const bits = h5.u8(at + 1);
  const size = h5.u32(at + 4);
  const littleEndian = (bits & 1) === 0;
  if (kind === 8) {
    // An enumeration (h5py's booleans): its base type follows.
    const base = datatype(h5, at + 8);
    return base;
  }
  if (kind === 0) {
    const stored = `${bits & 8 ? "int" : "uint"}${size * 8}` as StoredType;
    if (!(stored in BYTES) || h5.u16(at + 8) !== 0 || h5.u16(at + 10) !== size * 8)
      throw h5.unsupported(`integers of ${size} bytes and ${h5.u16(at + 10)} bits`);
    return { stored, littleEndian };
  }
  if (kind === 1) {
    const exponent = h5.u8(at + 13);
    const stored =
      size === 4 && exponent === 8
        ? "float32"
        : size === 8 && exponent === 11
          ? "float64"
          : size === 2 && exponent === 5
            ? "float16"
            : null;
    if (!stored || bits & 64) throw h5.unsupported(`floating point numbers of ${size} bytes`);
    return { stored, littleEndian };
  }
  throw h5.unsupported(`elements of class ${kind} (not numbers)`);
}

function pipeline(h5: H5Bytes, at: number): H5Filter[] {
  const version = h5.u8(at);
  const count = h5.u8(at + 1);
  if ((version !== 1 && version !== 2) || count > 32) throw h5.damaged(`filter pipeline version ${version}`);
  let p = at + (version === 1 ? 8 : 2);
  const out: H5Filter[] = [];
  for (let n = 0; n < count; n++) {
    const id = h5.u16(p);
    p += 2;
    let nameLength = 0;
    if (version === 1 || id >= 256) {
      nameLength = h5.u16(p);
      p += 2;
    }
    const values = h5.u16(p + 2);
    p += 4 + (version === 1 ? Math.ceil(nameLength / 8) * 8 : nameLength);
    out.push({ id, values: Array.from({ length: values }, (_, v) => h5.u32(p + 4 * v)) });
    p += 4 * (values + (version === 1 ? values % 2 : 0));
  }
  return out;
}

/** Copies a chunk's rows to their place; chunks at the edge stick out. */
function placeChunk(
  out: Uint8Array,
  shape: readonly number[],
  chunkShape: readonly number[],
  width: number,
  chunk: H5Chunk,
  data: Uint8Array,
): void {
  const rank = shape.length;
  const last = rank - 1;
  const run = Math.min(chunkShape[last]!, shape[last]! - chunk.offsets[last]!) * width;
  const index = new Array<number>(rank).fill(0);
  const rows = chunkShape.slice(0, last).reduce((a, b) => a * b, 1);
  for (let row = 0; row < rows; row++) {
    let to = 0;
    let inside = true;
    for (let a = 0; a < rank; a++) {
      const position = chunk.offsets[a]! + index[a]!;
      inside &&= position < shape[a]!;
      to = to * shape[a]! + position;
    }
    if (inside)
      out.set(data.subarray(row * chunkShape[last]! * width, row * chunkShape[last]! * width + run), to * width);
    for (let a = last - 1; a >= 0; a--) {
      if (++index[a]! < chunkShape[a]!) break;
      index[a] = 0;
    }
  }
}
