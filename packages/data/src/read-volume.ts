import { checkNumber, DataError } from "@semiseg/errors";
import { maxBytesOf, type ReadLimits } from "./bytes/limits.js";
import { loadBytes, openBytes } from "./bytes/open-bytes.js";
import { readNifti } from "./formats/read-nifti.js";
import { takeFrame } from "./take-frame.js";
import type { Volume } from "./types.js";

/** Options of {@link readVolume}. */
export interface ReadVolumeOptions {
  /** Picks one volume of a series: index on the last axis of a file with four or more axes. */
  readonly index?: number;
  /**
   * 'standard' (default): the sform where its code is above 0, else the qform, else `diag(spacing)` with the origin at 0
   * as the NIfTI standard has it (nibabel centres and mirrors such files instead). 'ignore': always `diag(spacing)`.
   */
  readonly affine?: "standard" | "ignore";
  /** Bytes after the declared data: 'refuse' (default; zero padding is fine) or 'ignore'. */
  readonly trailing?: "refuse" | "ignore";
  readonly limits?: ReadLimits;
}

/**
 * Reads a volume from a path or from bytes; the format is recognised by content: NIfTI-1 and NIfTI-2, single file or
 * .hdr/.img pair, gzip or not, both byte orders, any real, complex or colour element type.
 *
 * `data` comes in C order of the file's own axes with scl_slope and scl_inter applied; `spacing` and `affine` are in mm.
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
  const { name, bytes } = await loadBytes(source, maxBytes);
  if (bytes.length === 0) throw new DataError(`${name}: the file is empty`);
  const volume = await decode(name, bytes, options, maxBytes);
  return options.index === undefined ? volume : takeFrame(volume, options.index);
}

async function decode(name: string, bytes: Uint8Array, options: ReadVolumeOptions, maxBytes: number): Promise<Volume> {
  const reader = await openBytes(name, bytes, maxBytes);
  try {
    return await readNifti(reader, {
      affine: options.affine ?? "standard",
      trailing: options.trailing ?? "refuse",
      ...(name.match(/\.hdr(\.gz)?$/i) ? { detached: () => openImageOf(name, maxBytes) } : {}),
    });
  } finally {
    reader.close();
  }
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
