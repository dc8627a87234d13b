import { DataError } from "@semiseg/errors";

/** Bounds-checked little-endian reading of an HDF5 file. */
export class H5Bytes {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Size of file offsets and of lengths, from the superblock. */
  offsetSize = 8;
  lengthSize = 8;
  /** What addresses count from. */
  base = 0;
  #view: DataView;
  /** Metadata blocks may be visited this often in all: damaged files can point in circles. */
  #visits = 200_000;

  constructor(name: string, bytes: Uint8Array) {
    this.name = name;
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  damaged(what: string): DataError {
    return new DataError(`${this.name}: damaged HDF5 file: ${what}`);
  }

  unsupported(what: string): DataError {
    return new DataError(`${this.name}: HDF5 with ${what} is not supported; rewrite it with h5py's defaults`);
  }

  visit(): void {
    if (--this.#visits < 0) throw this.damaged("its metadata runs in circles");
  }

  check(at: number, count: number, what = "a structure"): void {
    if (!Number.isSafeInteger(at) || at < 0 || at + count > this.bytes.length)
      throw new DataError(
        `${this.name}: the file is truncated or damaged: ${what} lies at bytes ${at} to ${at + count} of ${this.bytes.length}`,
      );
  }

  slice(at: number, count: number, what: string): Uint8Array {
    this.check(at, count, what);
    return this.bytes.subarray(at, at + count);
  }

  u8(at: number): number {
    this.check(at, 1);
    return this.#view.getUint8(at);
  }

  u16(at: number): number {
    this.check(at, 2);
    return this.#view.getUint16(at, true);
  }

  u32(at: number): number {
    this.check(at, 4);
    return this.#view.getUint32(at, true);
  }

  /** An integer of `size` bytes; the undefined address (all ones) is -1. */
  uint(at: number, size: number): number {
    this.check(at, size);
    let value = 0n;
    let ones = true;
    for (let i = size - 1; i >= 0; i--) {
      const byte = this.bytes[at + i]!;
      ones &&= byte === 255;
      value = (value << 8n) | BigInt(byte);
    }
    return ones && size > 2 ? -1 : Number(value);
  }

  /** A file address, made absolute; -1 when undefined. */
  address(at: number): number {
    const value = this.uint(at, this.offsetSize);
    return value < 0 ? -1 : value + this.base;
  }

  length(at: number): number {
    return this.uint(at, this.lengthSize);
  }

  text(at: number, count: number): string {
    return new TextDecoder("latin1").decode(this.slice(at, count, "a name"));
  }

  signature(at: number, expected: string): void {
    if (this.text(at, expected.length) !== expected) throw this.damaged(`no ${expected} at byte ${at}`);
  }
}
