import { createReadStream, createWriteStream } from "node:fs";
import { type FileHandle, mkdir, open, rename, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createInflateRaw } from "node:zlib";
import { BackendError } from "@semiseg/errors";

/** One member of a zip archive. */
export interface ZipEntry {
  readonly name: string;
  readonly size: number;
  readonly compressedSize: number;
  readonly method: number;
  readonly offset: number;
}

const damaged = (path: string, what: string): BackendError =>
  new BackendError(`native TensorFlow: ${path} is damaged (${what}): delete it and run the setup again`);

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, position);
  return buffer.subarray(0, bytesRead);
}

/** Lists a zip archive's members from its central directory. Archives above 4 GiB are not covered. */
export async function zipEntries(path: string): Promise<ZipEntry[]> {
  const { size } = await stat(path);
  const file = await open(path);
  try {
    const tailLength = Math.min(size, 65557);
    const tail = await readAt(file, size - tailLength, tailLength);
    const end = tail.lastIndexOf(Buffer.from("PK\x05\x06", "latin1"));
    if (end < 0) throw damaged(path, "no end of archive: the download stopped early");
    const count = tail.readUInt16LE(end + 10);
    const directory = await readAt(file, tail.readUInt32LE(end + 16), tail.readUInt32LE(end + 12));
    const entries: ZipEntry[] = [];
    for (let at = 0; at + 46 <= directory.length; ) {
      if (directory.readUInt32LE(at) !== 0x02014b50) throw damaged(path, "central directory");
      const nameLength = directory.readUInt16LE(at + 28);
      entries.push({
        name: directory.toString("utf8", at + 46, at + 46 + nameLength),
        method: directory.readUInt16LE(at + 10),
        compressedSize: directory.readUInt32LE(at + 20),
        size: directory.readUInt32LE(at + 24),
        offset: directory.readUInt32LE(at + 42),
      });
      at += 46 + nameLength + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
    }
    if (entries.length !== count && count !== 0xffff) throw damaged(path, "entry count");
    return entries;
  } finally {
    await file.close();
  }
}

/** Streams one member to `folder/name`, through a temporary name; a complete earlier copy is kept. */
export async function extractEntry(path: string, entry: ZipEntry, folder: string): Promise<void> {
  if (entry.name.split("/").includes("..") || entry.name.startsWith("/"))
    throw damaged(path, `entry name ${entry.name}`);
  const target = join(folder, entry.name);
  const existing = await stat(target).catch(() => null);
  if (existing?.size === entry.size) return;
  await mkdir(dirname(target), { recursive: true });
  const file = await open(path);
  let start: number;
  try {
    const header = await readAt(file, entry.offset, 30);
    if (header.length < 30 || header.readUInt32LE(0) !== 0x04034b50) throw damaged(path, `entry ${entry.name}`);
    start = entry.offset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
  } finally {
    await file.close();
  }
  const partial = `${target}.part`;
  if (entry.size === 0) {
    await (await open(partial, "w")).close();
  } else {
    const source = createReadStream(path, { start, end: start + entry.compressedSize - 1, highWaterMark: 1 << 20 });
    const sink = createWriteStream(partial);
    if (entry.method === 0) await pipeline(source, sink);
    else await pipeline(source, createInflateRaw({ chunkSize: 1 << 20 }), sink);
  }
  const { size } = await stat(partial);
  if (size !== entry.size) throw damaged(path, `entry ${entry.name} has ${size} of ${entry.size} bytes`);
  await rename(partial, target);
}
