import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomically } from "../bytes/write-file-atomically.js";
import { caseOf } from "../case-of.js";
import type { Dataset, PreparedCase, PreprocessOptions } from "../types.js";

/** Changes whenever prepared cases would come out differently. */
const VERSION = "semiseg prepared case 1";

const sorted = (value: unknown): string =>
  JSON.stringify(value, (_, v) =>
    v && typeof v === "object" && !Array.isArray(v)
      ? Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1)))
      : v,
  );

/** The name under which a prepared case is kept: the content of its files and everything that shapes the result. */
export async function cacheKey(dataset: Dataset, id: string, preprocess: PreprocessOptions): Promise<string> {
  const ref = caseOf(dataset, id);
  const hash = createHash("sha256").update(VERSION);
  const { channels, spatialDims, classNames, labelValues } = dataset;
  hash.update(
    sorted({ id, preprocess, channels, spatialDims, classes: classNames.length, labelValues, slice: ref.slice }),
  );
  if (ref.index !== undefined) hash.update(sorted(dataset.config)).update(String(ref.index));
  else
    for (const path of [ref.image, ref.label ?? []].flat()) {
      const [, file, member = ""] = /^(.*?\.(?:h5|hdf5|hdf|npz))#(.+)$/i.exec(path) ?? [path, path];
      hash.update(`\0${member}\0`);
      for await (const chunk of createReadStream(file!)) hash.update(chunk as Buffer);
    }
  return hash.digest("hex");
}

const digest = (...parts: Uint8Array[]): string => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
};
const bytesOf = (array: Float32Array | Uint8Array): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** The kept case; null when there is none or it is damaged (then it is prepared and written anew). */
export async function readCached(folder: string, key: string): Promise<PreparedCase | null> {
  try {
    const bytes = await readFile(join(folder, `${key}.case`));
    const size = bytes.readUInt32LE(0);
    const { sum, voxels, labeled, ...rest } = JSON.parse(bytes.toString("utf8", 4, 4 + size));
    const imageBytes = bytes.subarray(4 + size, 4 + size + voxels * rest.imageShape[rest.imageShape.length - 1] * 4);
    const labelBytes = bytes.subarray(4 + size + imageBytes.length);
    if (labelBytes.length !== (labeled ? voxels : 0) || digest(imageBytes, labelBytes) !== sum) return null;
    const image = new Float32Array(imageBytes.length / 4);
    bytesOf(image).set(imageBytes);
    return { ...rest, image, labels: labeled ? new Uint8Array(labelBytes) : null };
  } catch {
    return null;
  }
}

/** Keeps a case. Written beside and renamed, so runs at the same time and crashes cannot leave half of one. */
export async function writeCached(folder: string, key: string, prepared: PreparedCase): Promise<void> {
  const { image, labels, ...rest } = prepared;
  const [imageBytes, labelBytes] = [bytesOf(image), labels ? bytesOf(labels) : new Uint8Array(0)];
  const voxels = image.length / prepared.imageShape[prepared.imageShape.length - 1]!;
  const header = Buffer.from(
    JSON.stringify({ ...rest, voxels, labeled: labels !== null, sum: digest(imageBytes, labelBytes) }),
  );
  const size = Buffer.alloc(4);
  size.writeUInt32LE(header.length);
  await mkdir(folder, { recursive: true });
  await writeFileAtomically(join(folder, `${key}.case`), Buffer.concat([size, header, imageBytes, labelBytes]));
}
