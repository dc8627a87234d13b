import { checkNumber, DataError } from "@semiseg/errors";
import { maxBytesOf, type ReadLimits } from "./bytes/limits.js";
import { inNode, nodeFs } from "./bytes/node-modules.js";
import { isGzip, loadBytes, openBytes } from "./bytes/open-bytes.js";
import { isHdf5, readHdf5 } from "./formats/read-hdf5.js";
import { isMetaImage, readMetaImage } from "./formats/read-metaimage.js";
import { readNifti } from "./formats/read-nifti.js";
import { isNpy, readNpy } from "./formats/read-npy.js";
import { isNrrd, readNrrd } from "./formats/read-nrrd.js";
import { isPng, readPng } from "./formats/read-png.js";
import { readSeries } from "./formats/read-series.js";
import { isZip, openZipMember, zipMembers } from "./formats/zip.js";
import { takeFrame } from "./take-frame.js";
import type { Volume } from "./types.js";

/** Options of {@link readVolume}. */
export interface ReadVolumeOptions {
  /** Picks one volume of a series: index on the last axis of a file with four or more axes. */
  readonly index?: number;
  /** Array of an HDF5 or npz file; the same as "#name" after the path. Default 'image', or the only one. */
  readonly member?: string;
  /**
   * Orientation of NIfTI. 'standard' (default): the sform where its code is above 0, else the qform, else
   * `diag(spacing)` with the origin at 0 as the NIfTI standard has it (nibabel centres and mirrors such files instead).
   * 'ignore': always `diag(spacing)`.
   */
  readonly affine?: "standard" | "ignore";
  /** Bytes after the declared data: 'refuse' (default; zero padding is fine) or 'ignore'. */
  readonly trailing?: "refuse" | "ignore";
  readonly limits?: ReadLimits;
}

/**
 * Reads a volume from a path or from bytes; the format is recognised by content.
 *
 * - NIfTI-1 and NIfTI-2, single file or .hdr/.img pair, gzip or not, both byte orders
 * - NRRD and MetaImage, attached or with their data file, raw or compressed
 * - HDF5 and npz (one array, see `member`), npy
 * - PNG; a folder of PNG slices (sorted by number, slices on the last axis); a folder with one DICOM series, for which
 *   the optional package `@itk-wasm/dicom` must be installed
 *
 * `data` comes in C order of the file's own axes with scaling applied; `spacing` and `affine` are in mm, world axes are
 * right, anterior, superior.
 *
 * @throws DataError when the file is missing, damaged, truncated (it says how many bytes are missing), larger than
 * `limits.maxBytes`, or of an unknown format.
 */
export async function readVolume(
  source: string | Uint8Array | ArrayBuffer,
  options: ReadVolumeOptions = {},
): Promise<Volume> {
  const maxBytes = maxBytesOf(options.limits);
  if (options.index !== undefined) checkNumber("readVolume", "index", options.index, { integer: true, min: 0 });
  const [path, member] = typeof source === "string" ? splitMember(source, options.member) : [source, options.member];
  const volume =
    typeof path === "string" && (await isFolder(path))
      ? await readSeries(path, maxBytes, (slice) => readVolume(slice, { limits: { maxBytes } }))
      : await readFile(path, member, options, maxBytes);
  return options.index === undefined ? volume : takeFrame(volume, options.index);
}

/** "file.h5#label" names an array of a file that holds several. */
function splitMember(source: string, member: string | undefined): [string, string | undefined] {
  const found = /^(.*\.(?:h5|hdf5|hdf|npz))#(.+)$/i.exec(source);
  return found ? [found[1]!, member ?? found[2]!] : [source, member];
}

async function isFolder(path: string): Promise<boolean> {
  if (!inNode) return false;
  const fs = await nodeFs();
  return fs.stat(path).then(
    (s) => s.isDirectory(),
    () => false,
  );
}

async function readFile(
  source: string | Uint8Array | ArrayBuffer,
  member: string | undefined,
  options: ReadVolumeOptions,
  maxBytes: number,
): Promise<Volume> {
  const { name, bytes } = await loadBytes(source, maxBytes);
  if (bytes.length === 0) throw new DataError(`${name}: the file is empty`);
  const ignoreTrailing = options.trailing === "ignore";
  if (isHdf5(bytes)) return readHdf5(name, bytes, member, maxBytes);
  if (isNrrd(bytes)) return readNrrd(name, bytes, maxBytes, ignoreTrailing);
  if (isPng(bytes)) return readPng(name, bytes, maxBytes);
  if (isZip(bytes)) return readNpz(name, bytes, member, maxBytes);
  if (!isGzip(bytes) && isMetaImage(bytes)) return readMetaImage(name, bytes, maxBytes, ignoreTrailing);
  if (new TextDecoder("latin1").decode(bytes.subarray(128, 132)) === "DICM")
    throw new DataError(`${name}: a DICOM file; pass the folder of its series`);
  const reader = await openBytes(name, bytes, maxBytes);
  try {
    if (isNpy(bytes)) return await readNpy(reader, "npy", ignoreTrailing);
    return await readNifti(reader, {
      affine: options.affine ?? "standard",
      trailing: options.trailing ?? "refuse",
      ...(name.match(/\.hdr(\.gz)?$/i) ? { detached: () => openImageOf(name, maxBytes) } : {}),
    });
  } finally {
    reader.close();
  }
}

async function readNpz(name: string, bytes: Uint8Array, wanted: string | undefined, maxBytes: number): Promise<Volume> {
  const members = zipMembers(name, bytes).filter((m) => m.name.endsWith(".npy"));
  const names = members.map((m) => m.name.slice(0, -4));
  const member = wanted ?? (names.includes("image") ? "image" : names.length === 1 ? names[0]! : undefined);
  const found = members.find((m) => m.name === `${member}.npy`);
  if (!found)
    throw new DataError(
      `${name}: ${wanted === undefined ? "several arrays and no 'image'; name one after '#'" : `no array '${wanted}'`} (it has ${names.slice(0, 12).join(", ") || "none"})`,
    );
  return readNpy(await openZipMember(name, bytes, found, maxBytes), "npz", false);
}

/** The ".img" or ".img.gz" of a header file. */
async function openImageOf(header: string, maxBytes: number) {
  const base = header.replace(/\.hdr(\.gz)?$/i, "");
  for (const path of [`${base}.img`, `${base}.img.gz`]) {
    try {
      const { name, bytes } = await loadBytes(path, maxBytes);
      return await openBytes(name, bytes, maxBytes);
    } catch (error) {
      if (!(error instanceof DataError) || !error.message.includes("no such file")) throw error;
    }
  }
  throw new DataError(`${header}: neither ${base}.img nor ${base}.img.gz is beside it`);
}
