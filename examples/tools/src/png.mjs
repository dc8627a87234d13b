import { crc32, deflateSync } from "node:zlib";

/** One PNG chunk: length, type, body, checksum over type and body. */
function chunk(type, body) {
  const out = Buffer.alloc(12 + body.length);
  out.writeUInt32BE(body.length, 0);
  out.write(type, 4, "latin1");
  out.set(body, 8);
  out.writeUInt32BE(crc32(out.subarray(4, 8 + body.length)), 8 + body.length);
  return out;
}

/**
 * A PNG file.
 *
 * @param {{ rgb: Uint8Array, width: number, height: number }} picture - rows from the top, 3 bytes a pixel.
 */
export function pngBytes({ rgb, width, height }) {
  if (rgb.length !== width * height * 3)
    throw new RangeError(`pngBytes: rgb must hold ${width * height * 3} bytes, received ${rgb.length}`);
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const rows = Buffer.alloc((width * 3 + 1) * height);
  for (let y = 0; y < height; y++) rows.set(rgb.subarray(y * width * 3, (y + 1) * width * 3), y * (width * 3 + 1) + 1);
  return Buffer.concat([
    Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(rows, { level: 9 })),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

/** A picture as text that an SVG or HTML file can hold. */
export const pngDataUri = (picture) => `data:image/png;base64,${pngBytes(picture).toString("base64")}`;
