import { OptionError, ShapeError } from "@semiseg/errors";
import { determinant3, isFiniteAffine } from "./affine.js";
import { nodeZlib } from "./bytes/node-modules.js";
import { dataTypeOf } from "./bytes/typed-values.js";
import { writeFileAtomically } from "./bytes/write-file-atomically.js";
import { type NiftiWriteOptions, niftiBytes } from "./formats/write-nifti.js";
import type { Volume } from "./types.js";

/** Options of {@link writeVolume}. */
export interface WriteVolumeOptions extends NiftiWriteOptions {
  /** gzip level 1 to 9 of compressed files; default 3. */
  readonly level?: number;
}

/**
 * Writes a volume; the format follows the name: .nii, .nii.gz. The file appears whole or not at all, and reads back
 * with the same values, shape, spacing and affine.
 *
 * @throws ShapeError when `data` and `shape` disagree; OptionError for an unknown extension; DataError for values that
 * the wanted element type cannot hold.
 */
export async function writeVolume(path: string, volume: Volume, options: WriteVolumeOptions = {}): Promise<void> {
  const { data, shape, spacing, affine } = volume;
  const voxels = shape.reduce((a, b) => a * b, 1);
  if (shape.length === 0 || shape.some((n) => !Number.isInteger(n) || n < 1) || voxels !== data.length)
    throw new ShapeError(`writeVolume: data has ${data.length} values, shape [${shape.join(", ")}] needs ${voxels}`);
  if (dataTypeOf(data) !== volume.dtype)
    throw new OptionError(`writeVolume: dtype is ${volume.dtype}, data is ${dataTypeOf(data)}`);
  if (spacing.length !== Math.min(3, shape.length) || spacing.some((s) => !(Number.isFinite(s) && s > 0)))
    throw new OptionError(
      `writeVolume: spacing must be ${Math.min(3, shape.length)} positive numbers, received [${spacing.join(", ")}]`,
    );
  if (!isFiniteAffine(affine) || determinant3(affine) === 0)
    throw new OptionError(
      `writeVolume: affine must be 16 finite numbers of an invertible matrix, received [${affine}]`,
    );
  const lower = path.toLowerCase();
  if (!/\.nii(\.gz)?$/.test(lower)) throw new OptionError(`writeVolume: ${path}: the name must end in .nii or .nii.gz`);
  let bytes: Uint8Array = niftiBytes(volume, options);
  if (lower.endsWith(".gz")) bytes = await gzip(bytes, options.level ?? 3);
  await writeFileAtomically(path, bytes);
}

async function gzip(bytes: Uint8Array, level: number): Promise<Uint8Array> {
  if (!Number.isInteger(level) || level < 1 || level > 9)
    throw new OptionError(`writeVolume: level must be an integer from 1 to 9, received ${level}`);
  const zlib = await nodeZlib();
  return new Promise((resolve, reject) =>
    zlib.gzip(bytes, { level }, (error, out) => (error ? reject(error) : resolve(out))),
  );
}
