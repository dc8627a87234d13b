import type { H5Bytes } from "./h5-bytes.js";

/** Where a chunk is in the file and in the data set. */
export interface H5Chunk {
  readonly offsets: readonly number[];
  readonly address: number;
  readonly size: number;
  /** Bit n: filter n was not applied to this chunk. */
  readonly mask: number;
}

/** Chunk shape and chunks of a chunked layout (version 3, or version 4 with the simpler indexes). */
export function h5Chunks(
  h5: H5Bytes,
  layout: number,
  version: number,
  shape: readonly number[],
  width: number,
  filtered: boolean,
): { chunkShape: number[]; chunks: H5Chunk[] } {
  const rank = shape.length;
  const checked = (sizes: number[]): number[] => {
    if (sizes.length !== rank + 1 || sizes.some((n) => n < 1) || sizes[rank] !== width)
      throw h5.damaged(`chunks of [${sizes.join(", ")}] for a data set of [${shape.join(", ")}] x ${width} bytes`);
    return sizes.slice(0, rank);
  };
  if (version === 3) {
    const dims = h5.u8(layout + 2);
    const start = layout + 3 + h5.offsetSize;
    const chunkShape = checked(Array.from({ length: dims }, (_, a) => h5.u32(start + 4 * a)));
    const tree = h5.address(layout + 3);
    return { chunkShape, chunks: tree < 0 ? [] : treeChunks(h5, tree, rank) };
  }
  const flags = h5.u8(layout + 2);
  const dims = h5.u8(layout + 3);
  const encoded = h5.u8(layout + 4);
  if (encoded < 1 || encoded > 8) throw h5.damaged("chunk sizes of impossible width");
  let at = layout + 5;
  const chunkShape = checked(Array.from({ length: dims }, (_, a) => h5.uint(at + encoded * a, encoded)));
  at += encoded * dims;
  const size = chunkShape.reduce((a, b) => a * b, 1) * width;
  const index = h5.u8(at++);
  const counts = shape.map((n, a) => Math.ceil(n / chunkShape[a]!));
  const total = counts.reduce((a, b) => a * b, 1);
  if (total > h5.bytes.length) throw h5.damaged(`${total} chunks cannot be in the file`);
  const place = (n: number): number[] => {
    const out = new Array<number>(rank);
    for (let a = rank - 1; a >= 0; a--) {
      out[a] = (n % counts[a]!) * chunkShape[a]!;
      n = Math.floor(n / counts[a]!);
    }
    return out;
  };
  if (index === 1) {
    const own = (flags & 2) !== 0;
    const chunk = own
      ? { size: h5.length(at), mask: h5.u32(at + h5.lengthSize), address: h5.address(at + h5.lengthSize + 4) }
      : { size, mask: 0, address: h5.address(at) };
    return { chunkShape, chunks: chunk.address < 0 ? [] : [{ offsets: place(0), ...chunk }] };
  }
  if (index === 2) {
    const address = h5.address(at);
    const chunks = Array.from({ length: total }, (_, n) => ({
      offsets: place(n),
      address: address + n * size,
      size,
      mask: 0,
    }));
    return { chunkShape, chunks: address < 0 ? [] : chunks };
  }
  if (index === 3)
    return {
      chunkShape,
      chunks: fixedArray(h5, h5.address(at + 1), total, size, filtered)
        .map((c, n) => ({ offsets: place(n), ...c }))
        .filter((c) => c.address >= 0),
    };
  throw h5.unsupported(`chunk index ${index} (resizable data sets of the newest format)`);
}

function treeChunks(h5: H5Bytes, root: number, rank: number): H5Chunk[] {
  const out: H5Chunk[] = [];
  const keySize = 8 + 8 * (rank + 1);
  const walk = (at: number, level: number | null): void => {
    h5.visit();
    h5.signature(at, "TREE");
    const own = h5.u8(at + 5);
    if (h5.u8(at + 4) !== 1 || (level !== null && own !== level)) throw h5.damaged("the tree of chunks");
    const used = h5.u16(at + 6);
    for (let e = 0; e < used; e++) {
      const key = at + 8 + 2 * h5.offsetSize + e * (keySize + h5.offsetSize);
      const child = h5.address(key + keySize);
      if (own > 0) walk(child, own - 1);
      else {
        h5.visit();
        const offsets = Array.from({ length: rank }, (_, a) => h5.uint(key + 8 + 8 * a, 8));
        out.push({ offsets, address: child, size: h5.u32(key), mask: h5.u32(key + 4) });
      }
    }
  };
  walk(root, null);
  return out;
}

function fixedArray(h5: H5Bytes, header: number, total: number, size: number, filtered: boolean) {
  h5.signature(header, "FAHD");
  const entry = h5.u8(header + 6);
  const pageSize = 2 ** h5.u8(header + 7);
  const count = h5.length(header + 8);
  const block = h5.address(header + 8 + h5.lengthSize);
  if (count !== total || block < 0) throw h5.damaged(`an index of ${count} chunks, expected ${total}`);
  h5.signature(block, "FADB");
  const out: { address: number; size: number; mask: number }[] = [];
  const read = (at: number) => {
    h5.visit();
    const address = h5.address(at);
    if (!filtered) out.push({ address, size, mask: 0 });
    else {
      const bytes = entry - h5.offsetSize - 4;
      if (bytes < 1 || bytes > 8) throw h5.damaged("the index of chunks");
      out.push({ address, size: h5.uint(at + h5.offsetSize, bytes), mask: h5.u32(at + h5.offsetSize + bytes) });
    }
  };
  let at = block + 6 + h5.offsetSize;
  if (count <= pageSize) for (let n = 0; n < count; n++) read(at + n * entry);
  else {
    const pages = Math.ceil(count / pageSize);
    at += Math.ceil(pages / 8) + 4; // bitmap of written pages, checksum
    for (let n = 0; n < count; n++) read(at + n * entry + Math.floor(n / pageSize) * 4);
  }
  return out;
}
