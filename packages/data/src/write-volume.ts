import { writeFileAtomically } from "./bytes/write-file-atomically.js";
import { encodeVolume, type WriteVolumeOptions } from "./encode-volume.js";
import type { Volume } from "./types.js";

/**
 * Writes a volume; the format follows the name: .nii, .nii.gz, .nrrd, .mha, .npy (values only), .png (values of
 * `[height, width]` only). The file appears whole or not at all, and reads back with the same values, shape, spacing and
 * affine where the format has them. `slope`, `inter` and `version` are for NIfTI.
 *
 * @throws ShapeError when `data` and `shape` disagree; OptionError for an unknown extension; DataError for values that
 * the wanted element type cannot hold.
 */
export async function writeVolume(path: string, volume: Volume, options: WriteVolumeOptions = {}): Promise<void> {
  await writeFileAtomically(path, await encodeVolume(path, volume, options));
}
