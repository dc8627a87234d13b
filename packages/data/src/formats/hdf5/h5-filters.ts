import { DataError } from "@semiseg/errors";
import { inNode, nodeZlib } from "../../bytes/node-modules.js";
import { inflatingReader } from "../../bytes/open-bytes.js";
import type { H5Bytes } from "./h5-bytes.js";

/** A filter of a data set's pipeline. */
export interface H5Filter {
  readonly id: number;
  readonly values: readonly number[];
}

const DEFLATE = 1;
const SHUFFLE = 2;
const FLETCHER32 = 3;
const LZF = 32000;

/** Undoes the filters of one chunk, which must give exactly `size` bytes. */
export async function decodeChunk(
  h5: H5Bytes,
  raw: Uint8Array,
  filters: readonly H5Filter[],
  mask: number,
  size: number,
  width: number,
): Promise<Uint8Array> {
  let data = raw;
  for (let n = filters.length - 1; n >= 0; n--) {
    if (mask & (1 << n)) continue;
    const { id, values } = filters[n]!;
    if (id === DEFLATE) data = await inflate(h5, data, size + 4);
    else if (id === SHUFFLE) data = unshuffle(data, values[0] ?? width);
    else if (id === FLETCHER32) data = fletcher32(h5, data);
    else if (id === LZF) data = lzf(h5, data, size + 4);
    else throw h5.unsupported(`compression filter ${id}`);
  }
  if (data.length !== size) throw h5.damaged(`a chunk has ${data.length} bytes, expected ${size}`);
  return data;
}

/** At most `most` bytes (a checksum may still follow the chunk's own). */
async function inflate(h5: H5Bytes, data: Uint8Array, most: number): Promise<Uint8Array> {
  if (inNode) {
    const zlib = await nodeZlib();
    try {
      const out = zlib.inflateSync(data, { maxOutputLength: most });
      return new Uint8Array(out.buffer, out.byteOffset, out.byteLength);
    } catch (cause) {
      throw new DataError(`${h5.name}: damaged HDF5 file: a compressed chunk (${(cause as Error).message})`, { cause });
    }
  }
  const reader = await inflatingReader(h5.name, data, most, "deflate");
  return reader.read(most - 4, "a chunk");
}

function unshuffle(data: Uint8Array, width: number): Uint8Array {
  if (width < 2) return data;
  const out = new Uint8Array(data.length);
  const count = Math.floor(data.length / width);
  for (let b = 0; b < width; b++) for (let i = 0; i < count; i++) out[i * width + b] = data[b * count + i]!;
  out.set(data.subarray(count * width), count * width);
  return out;
}

/** Checks and removes the checksum of two 16-bit sums over big-endian words. */
function fletcher32(h5: H5Bytes, data: Uint8Array): Uint8Array {
  const n = data.length - 4;
  if (n < 0) throw h5.damaged("a chunk without its checksum");
  let [a, b] = [0, 0];
  for (let i = 0; i + 1 < n; i += 2) {
    a = (a + ((data[i]! << 8) | data[i + 1]!)) % 65535;
    b = (b + a) % 65535;
  }
  if (n % 2) {
    a = (a + (data[n - 1]! << 8)) % 65535;
    b = (b + a) % 65535;
  }
  const stored = new DataView(data.buffer, data.byteOffset + n, 4).getUint32(0, true);
  const [high, low] = [stored >>> 16, stored & 65535];
  // 0 and 65535 are the same number here.
  if (high % 65535 !== b || low % 65535 !== a) throw h5.damaged("a chunk's checksum is wrong");
  return data.subarray(0, n);
}

/** LZF: runs of literals and back references. */
function lzf(h5: H5Bytes, data: Uint8Array, most: number): Uint8Array {
  const out = new Uint8Array(most);
  let to = 0;
  const bad = () => h5.damaged("a compressed chunk (LZF)");
  for (let at = 0; at < data.length; ) {
    const control = data[at++]!;
    if (control < 32) {
      const count = control + 1;
      if (at + count > data.length || to + count > most) throw bad();
      out.set(data.subarray(at, at + count), to);
      at += count;
      to += count;
      continue;
    }
    let count = control >> 5;
    if (count === 7) count += data[at++] ?? 0;
    const from = to - ((control & 31) << 8) - (data[at++] ?? 0) - 1;
    count += 2;
    if (from < 0 || to + count > most || at > data.length) throw bad();
    for (let i = 0; i < count; i++) out[to + i] = out[from + i]!;
    to += count;
  }
  return out.subarray(0, to);
}
