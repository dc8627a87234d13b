import { DataError } from "@semiseg/errors";
import { diagonalAffine } from "../affine.js";
import { checkSize } from "../bytes/byte-reader.js";
import { inflatingReader } from "../bytes/open-bytes.js";
import type { Volume } from "../types.js";
import { crc32 } from "./zip.js";

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
/** Samples per pixel by colour type; 3 is a palette, whose indices are what a label image means. */
const SAMPLES: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
/** Adam7: first column, first row, column step, row step of each pass. */
const ADAM7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

export const isPng = (bytes: Uint8Array): boolean => SIGNATURE.every((b, i) => bytes[i] === b);

/**
 * Reads a PNG as `[height, width]`, with colours or alpha on a last axis; palette images give their indices, values are
 * not scaled. uint8, or uint16 for 16 bits. Spacing from pHYs where it is in metres, else 1.
 */
export async function readPng(name: string, bytes: Uint8Array, maxBytes: number): Promise<Volume> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts: Uint8Array[] = [];
  let header: { width: number; height: number; depth: number; samples: number; interlaced: boolean } | null = null;
  let spacing = [1, 1];
  let ended = false;
  for (let at = 8; at + 12 <= bytes.length && !ended; ) {
    const length = view.getUint32(at);
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (at + 12 + length > bytes.length) break;
    const body = bytes.subarray(at + 8, at + 8 + length);
    if (crc32(bytes.subarray(at + 4, at + 8 + length)) !== view.getUint32(at + 8 + length))
      throw new DataError(`${name}: damaged PNG (checksum of ${JSON.stringify(type)})`);
    if (type === "IHDR") header = readHeader(name, body);
    else if (type === "IDAT") parts.push(body);
    else if (type === "pHYs" && body[8] === 1) {
      const [x, y] = [view.getUint32(at + 8), view.getUint32(at + 12)];
      if (x > 0 && y > 0) spacing = [1000 / y, 1000 / x];
    } else if (type === "IEND") ended = true;
    at += 12 + length;
  }
  if (!header) throw new DataError(`${name}: damaged PNG (no header)`);
  if (!ended) throw new DataError(`${name}: the file is truncated: the PNG does not end`);
  const { width, height, depth, samples, interlaced } = header;
  checkSize(
    name,
    `the image ([${height}, ${width}] of ${depth} bits x ${samples})`,
    width * height * samples * 2,
    maxBytes,
  );
  const packed = new Uint8Array(parts.reduce((sum, p) => sum + p.length, 0));
  parts.reduce((at, p) => {
    packed.set(p, at);
    return at + p.length;
  }, 0);
  const reader = await inflatingReader(name, packed, maxBytes, "deflate");
  const out = depth === 16 ? new Uint16Array(width * height * samples) : new Uint8Array(width * height * samples);
  try {
    for (const [x0, y0, dx, dy] of interlaced ? ADAM7 : ([[0, 0, 1, 1]] as const)) {
      const columns = Math.ceil((width - x0) / dx);
      const rows = Math.ceil((height - y0) / dy);
      if (columns < 1 || rows < 1) continue;
      const stride = Math.ceil((columns * samples * depth) / 8);
      const raw = (await reader.read((stride + 1) * rows, "the pixels")).slice();
      unfilter(name, raw, rows, stride, Math.max(1, (samples * depth) >> 3));
      for (let r = 0; r < rows; r++)
        for (let c = 0; c < columns; c++)
          for (let s = 0; s < samples; s++) {
            const to = ((y0 + r * dy) * width + x0 + c * dx) * samples + s;
            out[to] = sample(raw, r * (stride + 1) + 1, c * samples + s, depth);
          }
    }
    await reader.finish();
  } finally {
    reader.close();
  }
  return {
    data: out,
    shape: samples > 1 ? [height, width, samples] : [height, width],
    spacing,
    affine: diagonalAffine(spacing),
    dtype: depth === 16 ? "uint16" : "uint8",
    meta: {
      source: name,
      format: "png",
      storedDtype: `uint${depth}`,
      affineSource: "none",
      ...(samples > 1 ? { components: samples } : {}),
    },
  };
}

function readHeader(name: string, body: Uint8Array) {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  if (body.length !== 13) throw new DataError(`${name}: damaged PNG header`);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  const [depth, colour, compression, filter, interlace] = body.subarray(8) as unknown as [
    number,
    number,
    number,
    number,
    number,
  ];
  const samples = SAMPLES[colour];
  const depths = colour === 0 ? [1, 2, 4, 8, 16] : colour === 3 ? [1, 2, 4, 8] : [8, 16];
  if (
    !samples ||
    !depths.includes(depth) ||
    compression !== 0 ||
    filter !== 0 ||
    interlace > 1 ||
    width < 1 ||
    height < 1
  )
    throw new DataError(
      `${name}: damaged PNG header (size ${width} x ${height}, depth ${depth}, colour type ${colour})`,
    );
  return { width, height, depth, samples, interlaced: interlace === 1 };
}

function sample(raw: Uint8Array, row: number, index: number, depth: number): number {
  if (depth === 8) return raw[row + index]!;
  if (depth === 16) return (raw[row + 2 * index]! << 8) | raw[row + 2 * index + 1]!;
  const bit = index * depth;
  return (raw[row + (bit >> 3)]! >> (8 - depth - (bit & 7))) & ((1 << depth) - 1);
}

/** Undoes the row filters in place; each row begins with its filter's number. */
function unfilter(name: string, raw: Uint8Array, rows: number, stride: number, back: number): void {
  for (let r = 0; r < rows; r++) {
    const at = r * (stride + 1) + 1;
    const filter = raw[at - 1]!;
    if (filter > 4) throw new DataError(`${name}: damaged PNG (row filter ${filter})`);
    for (let i = 0; i < stride && filter > 0; i++) {
      const left = i >= back ? raw[at + i - back]! : 0;
      const up = r > 0 ? raw[at + i - stride - 1]! : 0;
      const corner = r > 0 && i >= back ? raw[at + i - stride - 1 - back]! : 0;
      const add = filter === 1 ? left : filter === 2 ? up : filter === 3 ? (left + up) >> 1 : paeth(left, up, corner);
      raw[at + i] = raw[at + i]! + add;
    }
  }
}

function paeth(left: number, up: number, corner: number): number {
  const estimate = left + up - corner;
  const [a, b, c] = [Math.abs(estimate - left), Math.abs(estimate - up), Math.abs(estimate - corner)];
  return a <= b && a <= c ? left : b <= c ? up : corner;
}
