import { DataError } from "@semiseg/errors";
import { type ByteReader, checkSize, chunkReader, plainReader } from "./byte-reader.js";
import { inNode, inWorkerThread, nodeFs, nodeZlib } from "./node-modules.js";

export const isGzip = (bytes: Uint8Array): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b;

/** Never a Buffer, whose `slice` shares memory where an array's copies. */
const plain = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** The raw content of a path, size checked first, or the given bytes. */
export async function loadBytes(
  source: string | Uint8Array | ArrayBuffer,
  maxBytes: number,
): Promise<{ name: string; bytes: Uint8Array }> {
  if (typeof source !== "string") {
    const bytes = source instanceof Uint8Array ? plain(source) : new Uint8Array(source);
    return { name: "<bytes>", bytes };
  }
  if (!inNode) throw new DataError(`${source}: paths can be read in Node only; pass the bytes`);
  const fs = await nodeFs();
  try {
    const { size } = await fs.stat(source);
    checkSize(source, "the file", size, maxBytes);
    const blocking = (await inWorkerThread()) ? (await import("node:fs")).readFileSync(source) : null;
    return { name: source, bytes: plain(blocking ?? (await fs.readFile(source))) };
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "no such file" : code === "EISDIR" ? "is a folder" : message;
    throw new DataError(`${source}: ${why}`, { cause });
  }
}

/** Most that one chunk takes, whatever a file claims. */
const MAX_CHUNK = 1 << 26;

/**
 * Room for all of the output where gzip's last four bytes tell its size, so that it comes in one piece and is not copied;
 * what they say is believed as far as deflate can reach only.
 */
function chunkSizeOf(bytes: Uint8Array, format: string): number {
  const guess = Math.min(1 << 20, Math.max(1 << 14, bytes.length * 4));
  if (format !== "gzip" || bytes.length < 18) return guess;
  const told = new DataView(bytes.buffer, bytes.byteOffset + bytes.length - 4, 4).getUint32(0, true) + 1;
  return told > guess && told <= Math.min(MAX_CHUNK, bytes.length * 1032) ? told : guess;
}

/** A reader of gzip, zlib ('deflate') or bare deflate data. */
export async function inflatingReader(
  name: string,
  bytes: Uint8Array,
  maxBytes: number,
  format: "gzip" | "deflate" | "deflate-raw" = "gzip",
): Promise<ByteReader> {
  if (inNode) {
    const zlib = await nodeZlib();
    const options = { chunkSize: chunkSizeOf(bytes, format) };
    const told = options.chunkSize - 1;
    if (format === "gzip" && told <= maxBytes && (await inWorkerThread()))
      try {
        const all = zlib.gunzipSync(bytes, { ...options, maxOutputLength: told });
        return plainReader(name, plain(all), maxBytes);
      } catch {
        // Damaged, cut, or larger than told: read piece by piece, which says what is wrong.
      }
    const create = (settings: typeof options & { finishFlush?: number }) =>
      format === "gzip"
        ? zlib.createGunzip(settings)
        : format === "deflate"
          ? zlib.createInflate(settings)
          : zlib.createInflateRaw(settings);
    const inflate = create(options);
    inflate.on("error", () => {}); // The iterator reports it; this keeps a late one from ending the process.
    inflate.end(bytes);
    const inflation = {
      chunks: inflate[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>,
      compressedSize: bytes.length,
      stop: () => void inflate.destroy(),
      available: async (most: number) => {
        const again = create({ ...options, finishFlush: zlib.constants.Z_SYNC_FLUSH });
        again.end(bytes);
        let count = 0;
        try {
          for await (const chunk of again) {
            count += (chunk as Uint8Array).length;
            if (count >= most) break;
          }
        } catch {
          // What was counted until the damage is what can be had.
        }
        return count;
      },
    };
    return chunkReader(name, inflation, maxBytes);
  }
  const stream = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new DecompressionStream(format));
  const reader = stream.getReader();
  const chunks: AsyncIterator<Uint8Array> = {
    next: () => reader.read() as Promise<IteratorResult<Uint8Array>>,
  };
  const stop = () => void reader.cancel().catch(() => {});
  return chunkReader(name, { chunks, compressedSize: bytes.length, stop }, maxBytes);
}

/** A reader of the bytes, decompressing where they are gzip. */
export function openBytes(name: string, bytes: Uint8Array, maxBytes: number): Promise<ByteReader> {
  return isGzip(bytes) ? inflatingReader(name, bytes, maxBytes) : Promise.resolve(plainReader(name, bytes, maxBytes));
}
