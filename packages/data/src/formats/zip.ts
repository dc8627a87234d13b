import { DataError } from "@semiseg/errors";
import { type ByteReader, checkSize, plainReader } from "../bytes/byte-reader.js";
import { inflatingReader } from "../bytes/open-bytes.js";

/** A member of a zip archive. */
export interface ZipMember {
  readonly name: string;
  readonly size: number;
  readonly compressedSize: number;
  readonly method: number;
  readonly crc: number;
  readonly offset: number;
}

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});

/** CRC-32 as zip and gzip use it. */
export function crc32(bytes: Uint8Array): number {
  let c = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) c = TABLE[(c ^ bytes[i]!) & 255]! ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

export const isZip = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x50 && bytes[1] === 0x4b && (bytes[2] === 3 || bytes[2] === 5);

/** The members that the archive's directory lists. */
export function zipMembers(name: string, bytes: Uint8Array): ZipMember[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = -1;
  for (let at = bytes.length - 22; at >= Math.max(0, bytes.length - 65557); at--)
    if (view.getUint32(at, true) === 0x06054b50) {
      end = at;
      break;
    }
  if (end < 0) throw new DataError(`${name}: the file is truncated: the archive's directory is missing`);
  let count: number = view.getUint16(end + 10, true);
  let at: number = view.getUint32(end + 16, true);
  if ((count === 0xffff || at === 0xffffffff) && end >= 20 && view.getUint32(end - 20, true) === 0x07064b50) {
    const big = Number(view.getBigUint64(end - 12, true));
    if (big + 56 > bytes.length) throw new DataError(`${name}: damaged archive directory`);
    count = Number(view.getBigUint64(big + 32, true));
    at = Number(view.getBigUint64(big + 48, true));
  }
  const out: ZipMember[] = [];
  for (let n = 0; n < count; n++) {
    if (at + 46 > bytes.length || view.getUint32(at, true) !== 0x02014b50)
      throw new DataError(`${name}: damaged archive directory (entry ${n} of ${count})`);
    const nameLength = view.getUint16(at + 28, true);
    const extraLength = view.getUint16(at + 30, true);
    let compressedSize: number = view.getUint32(at + 20, true);
    let size: number = view.getUint32(at + 24, true);
    let offset: number = view.getUint32(at + 42, true);
    // zip64 keeps the real numbers in an extra field, in this order, only those that don't fit.
    for (let e = at + 46 + nameLength; e + 4 <= Math.min(bytes.length, at + 46 + nameLength + extraLength); ) {
      const [id, length] = [view.getUint16(e, true), view.getUint16(e + 2, true)];
      let p = e + 4;
      const next = () => {
        if (p + 8 > bytes.length) throw new DataError(`${name}: damaged archive directory`);
        p += 8;
        return Number(view.getBigUint64(p - 8, true));
      };
      if (id === 1) {
        if (size === 0xffffffff) size = next();
        if (compressedSize === 0xffffffff) compressedSize = next();
        if (offset === 0xffffffff) offset = next();
      }
      e += 4 + length;
    }
    const member = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nameLength));
    const method = view.getUint16(at + 10, true);
    if (view.getUint16(at + 8, true) & 1) throw new DataError(`${name}: ${member} is encrypted`);
    out.push({ name: member, size, compressedSize, method, crc: view.getUint32(at + 16, true), offset });
    at += 46 + nameLength + extraLength + view.getUint16(at + 32, true);
  }
  return out;
}

/** A reader of one member's content, checked against its size and checksum. */
export async function openZipMember(
  name: string,
  bytes: Uint8Array,
  member: ZipMember,
  maxBytes: number,
): Promise<ByteReader> {
  const label = `${name}#${member.name}`;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { offset, compressedSize, size } = member;
  checkSize(label, "the member", size, maxBytes);
  if (offset + 30 > bytes.length || view.getUint32(offset, true) !== 0x04034b50)
    throw new DataError(`${label}: damaged archive (no member at byte ${offset})`);
  const start = offset + 30 + view.getUint16(offset + 26, true) + view.getUint16(offset + 28, true);
  if (start + compressedSize > bytes.length)
    throw new DataError(
      `${label}: the file is truncated: ${start + compressedSize - bytes.length} bytes are missing from the member`,
    );
  const body = bytes.subarray(start, start + compressedSize);
  let content: Uint8Array;
  if (member.method === 0) content = body;
  else if (member.method === 8) {
    const inflating = await inflatingReader(label, body, maxBytes, "deflate-raw");
    content = await inflating.read(size, "the member");
    await inflating.finish();
  } else throw new DataError(`${label}: compression method ${member.method} is not supported`);
  if (content.length !== size || crc32(content) !== member.crc)
    throw new DataError(`${label}: damaged: size or checksum differ from the archive's directory`);
  return plainReader(label, content, maxBytes);
}
