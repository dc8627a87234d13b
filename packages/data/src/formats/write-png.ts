import { OptionError } from "@semiseg/errors";
import { nodeZlib } from "../bytes/node-modules.js";
import { crc32 } from "./zip.js";

/** The bytes of a PNG: `[height, width]` or with 3 or 4 colour components last; uint8, or uint16 (grey only). */
export async function pngBytes(data: Uint8Array | Uint16Array, shape: readonly number[]): Promise<Uint8Array> {
  const [height, width, samples = 1] = shape as [number, number, number?];
  if (
    (shape.length !== 2 && shape.length !== 3) ||
    ![1, 3, 4].includes(samples) ||
    data.length !== height * width * samples
  )
    throw new OptionError(
      `writeVolume: PNG holds [height, width], or with 3 or 4 colours, received [${shape.join(", ")}]`,
    );
  const wide = data instanceof Uint16Array ? 2 : 1;
  const stride = width * samples * wide;
  const raw = new Uint8Array((stride + 1) * height);
  for (let r = 0; r < height; r++)
    for (let i = 0; i < width * samples; i++) {
      const value = data[r * width * samples + i]!;
      const at = r * (stride + 1) + 1 + i * wide;
      if (wide === 2) raw[at] = value >> 8;
      raw[at + wide - 1] = value & 255;
    }
  const zlib = await nodeZlib();
  const packed = new Uint8Array(zlib.deflateSync(raw));
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header[8] = 8 * wide;
  header[9] = samples === 1 ? 0 : samples === 3 ? 2 : 6;
  const chunks = [chunk("IHDR", header), chunk("IDAT", packed), chunk("IEND", new Uint8Array(0))];
  const out = new Uint8Array(8 + chunks.reduce((sum, c) => sum + c.length, 0));
  out.set([137, 80, 78, 71, 13, 10, 26, 10]);
  chunks.reduce((at, c) => {
    out.set(c, at);
    return at + c.length;
  }, 8);
  return out;
}

function chunk(type: string, body: Uint8Array): Uint8Array {
  const out = new Uint8Array(12 + body.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, body.length);
  for (let i = 0; i < 4; i++) out[4 + i] = type.charCodeAt(i);
  out.set(body, 8);
  view.setUint32(8 + body.length, crc32(out.subarray(4, 8 + body.length)));
  return out;
}
