import { DataError } from "@semiseg/errors";

/**
 * Reads a file front to back with every size checked before memory is taken for it. A deflate stream grows at most
 * 1032-fold, so a header that promises more than that is refused without decompressing into memory.
 */
export interface ByteReader {
  readonly name: string;
  /** Exactly `count` bytes; DataError saying how many are missing when the file ends before. `what` names them. */
  read(count: number, what: string): Promise<Uint8Array>;
  /**
   * Call after the last read: checks the checksum of a compressed file and that nothing but zero padding follows.
   * `ignoreTrailing` allows anything to follow.
   */
  finish(ignoreTrailing?: boolean): Promise<void>;
  /** Frees a decompressor that was not read to its end. */
  close(): void;
}

/** Longest padding that is looked through. */
const MAX_PADDING = 1 << 20;

export function missingBytes(name: string, what: string, wanted: number, have: number): DataError {
  return new DataError(
    `${name}: the file is truncated: ${what} needs ${wanted} bytes and only ${have} are there (${wanted - have} missing)`,
  );
}

export function checkSize(name: string, what: string, count: number, maxBytes: number): void {
  if (!Number.isSafeInteger(count) || count < 0)
    throw new DataError(`${name}: ${what} has an impossible size (${count} bytes)`);
  if (count > maxBytes)
    throw new DataError(
      `${name}: ${what} takes ${count} bytes, more than the limit of ${maxBytes} bytes (limits.maxBytes)`,
    );
}

function trailing(name: string, count: number): DataError {
  return new DataError(
    `${name}: ${count} bytes follow the data that the header declares: the header or the file is damaged ` +
      "(option trailing: 'ignore' reads it anyway)",
  );
}

/** A reader over bytes in memory. */
export function plainReader(name: string, bytes: Uint8Array, maxBytes: number): ByteReader {
  let at = 0;
  return {
    name,
    async read(count, what) {
      checkSize(name, what, count, maxBytes);
      if (at + count > bytes.length) throw missingBytes(name, what, count, bytes.length - at);
      at += count;
      return bytes.subarray(at - count, at);
    },
    async finish(ignoreTrailing = false) {
      if (ignoreTrailing) return;
      const rest = bytes.length - at;
      for (let i = at; i < bytes.length; i++) if (i - at >= MAX_PADDING || bytes[i] !== 0) throw trailing(name, rest);
    },
    close() {},
  };
}

/** What {@link chunkReader} reads from. */
export interface Inflation {
  readonly chunks: AsyncIterator<Uint8Array>;
  /** Bounds how much can come out. */
  readonly compressedSize: number;
  readonly stop: () => void;
  /** How many bytes a stream that ends early holds (counted up to `most`), once that is known to be the case. */
  readonly available?: (most: number) => Promise<number>;
}

/** A reader over the chunks of a decompressor. */
export function chunkReader(name: string, inflation: Inflation, maxBytes: number): ByteReader {
  const { chunks, compressedSize, stop, available } = inflation;
  let pending = new Uint8Array(0);
  let produced = 0;
  let cut = false;
  async function pull(): Promise<boolean> {
    try {
      const { done, value } = await chunks.next();
      if (done) return false;
      pending = new Uint8Array(value.buffer as ArrayBuffer, value.byteOffset, value.byteLength);
      produced += value.length;
      return true;
    } catch (cause) {
      stop();
      const code = (cause as { code?: string }).code;
      if (code === "Z_BUF_ERROR") {
        cut = true; // The compressed stream ends early: reported as missing bytes.
        return false;
      }
      throw new DataError(`${name}: the compressed data is damaged (${(cause as Error).message})`, { cause });
    }
  }
  return {
    name,
    async read(count, what) {
      checkSize(name, what, count, maxBytes);
      if (pending.length === 0 && count > 0 && !cut) await pull();
      if (count <= pending.length) {
        const out = pending.subarray(0, count);
        pending = pending.subarray(count);
        return out;
      }
      const possible = produced - pending.length + count <= compressedSize * 1032 + 65536;
      const out = possible ? new Uint8Array(count) : null;
      let filled = 0;
      while (filled < count) {
        if (pending.length === 0 && !(await pull())) {
          // Chunks that were still under way are lost with the error, so what there is must be counted again.
          const before = produced - filled;
          const have = cut && available ? Math.max(0, (await available(before + count)) - before) : filled;
          if (have < count) throw missingBytes(name, what, count, have);
          throw new DataError(`${name}: the compressed data ends early (its checksum is missing)`);
        }
        const part = pending.subarray(0, count - filled);
        out?.set(part, filled);
        filled += part.length;
        pending = pending.subarray(part.length);
      }
      if (!out) throw missingBytes(name, what, count, compressedSize * 1032);
      return out;
    },
    async finish(ignoreTrailing = false) {
      let rest = 0;
      let zero = true;
      for (;;) {
        rest += pending.length;
        zero &&= pending.every((byte) => byte === 0);
        if (rest > 0 && !ignoreTrailing && (!zero || rest > MAX_PADDING)) {
          stop();
          throw trailing(name, rest);
        }
        if (ignoreTrailing && rest > MAX_PADDING) return stop();
        pending = new Uint8Array(0);
        if (await pull()) continue;
        if (cut) throw new DataError(`${name}: the compressed data ends early (its checksum is missing)`);
        return;
      }
    },
    close: stop,
  };
}
