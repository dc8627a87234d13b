import { DataError, OptionError, ShapeError } from "@semiseg/errors";
import { determinant3, isFiniteAffine } from "./affine.js";
import { nodeZlib } from "./bytes/node-modules.js";
import { dataTypeOf } from "./bytes/typed-values.js";
import { metaImageParts } from "./formats/write-metaimage.js";
import { type NiftiWriteOptions, niftiBytes, storedValues } from "./formats/write-nifti.js";
import { npyBytes } from "./formats/write-npy.js";
import { nrrdParts } from "./formats/write-nrrd.js";
import { pngBytes } from "./formats/write-png.js";
import type { Volume } from "./types.js";

/** Options of {@link encodeVolume} and `writeVolume`. */
export interface WriteVolumeOptions extends NiftiWriteOptions {
  /** Compression level 1 to 9 of compressed files; default 3. */
  readonly level?: number;
  /** NRRD and MetaImage: compress the data. Default true. */
  readonly compress?: boolean;
}

const EXTENSIONS = [".nii.gz", ".nii", ".nrrd", ".mha", ".npy", ".png"] as const;

/**
 * A volume as the bytes of a file, where there is no file system; the format follows the name as in `writeVolume`.
 *
 * @throws as `writeVolume`.
 */
export async function encodeVolume(
  name: string,
  volume: Volume,
  options: WriteVolumeOptions = {},
): Promise<Uint8Array> {
  checkVolume(volume);
  const extension = EXTENSIONS.find((e) => name.toLowerCase().endsWith(e));
  if (!extension) throw new OptionError(`encodeVolume: ${name}: the name must end in ${EXTENSIONS.join(", ")}`);
  const nifti = extension.startsWith(".nii");
  if (!nifti && (options.slope !== undefined || options.inter !== undefined))
    throw new OptionError(`encodeVolume: ${name}: slope and inter are for NIfTI`);
  const level = options.level ?? 3;
  if (!Number.isInteger(level) || level < 1 || level > 9)
    throw new OptionError(`encodeVolume: level must be an integer from 1 to 9, received ${level}`);
  const { compress = true, littleEndian = true } = options;
  let bytes: Uint8Array;
  if (nifti) {
    bytes = niftiBytes(volume, options);
    if (extension === ".nii.gz") bytes = await squeeze(bytes, "gzip", level);
  } else {
    const dtype = options.dtype ?? volume.dtype;
    const converted = {
      ...volume,
      dtype,
      data: dtype === volume.dtype ? volume.data : storedValues(volume, dtype, 1, 0),
    };
    if (extension === ".nrrd") {
      const { header, data } = nrrdParts(converted, compress, littleEndian);
      bytes = joined(header, compress ? await squeeze(data, "gzip", level) : data);
    } else if (extension === ".mha") {
      const { header, data } = metaImageParts(converted, littleEndian);
      const body = compress ? await squeeze(data, "deflate", level) : data;
      bytes = joined(header(compress ? body.length : null), body);
    } else if (extension === ".npy") bytes = npyBytes(converted.data, dtype, volume.shape, littleEndian);
    else {
      const { data } = converted;
      if (!(data instanceof Uint8Array || data instanceof Uint16Array))
        throw new DataError(`encodeVolume: ${name}: PNG holds uint8 and uint16, received ${dtype}; give dtype`);
      bytes = await pngBytes(data, volume.shape);
    }
  }
  return bytes;
}

function checkVolume({ data, shape, spacing, affine, dtype }: Volume): void {
  const voxels = shape.reduce((a, b) => a * b, 1);
  if (shape.length === 0 || shape.some((n) => !Number.isInteger(n) || n < 1) || voxels !== data.length)
    throw new ShapeError(`encodeVolume: data has ${data.length} values, shape [${shape.join(", ")}] needs ${voxels}`);
  if (dataTypeOf(data) !== dtype) throw new OptionError(`encodeVolume: dtype is ${dtype}, data is ${dataTypeOf(data)}`);
  const spatial = Math.min(3, shape.length);
  if (spacing.length < 1 || spacing.length > spatial || spacing.some((s) => !(Number.isFinite(s) && s > 0)))
    throw new OptionError(
      `encodeVolume: spacing must be ${spatial} positive numbers, received [${spacing.join(", ")}]`,
    );
  if (!isFiniteAffine(affine) || determinant3(affine) === 0)
    throw new OptionError(
      `encodeVolume: affine must be 16 finite numbers of an invertible matrix, received [${affine}]`,
    );
}

function joined(header: string, data: Uint8Array): Uint8Array {
  const head = new TextEncoder().encode(header);
  const out = new Uint8Array(head.length + data.length);
  out.set(head);
  out.set(data, head.length);
  return out;
}

async function squeeze(bytes: Uint8Array, format: "gzip" | "deflate", level: number): Promise<Uint8Array> {
  const zlib = await nodeZlib();
  return new Promise((resolve, reject) =>
    zlib[format](bytes, { level }, (error, out) => (error ? reject(error) : resolve(out))),
  );
}
