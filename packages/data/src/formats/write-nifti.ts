import { DataError, OptionError } from "@semiseg/errors";
import { columnNorm, diagonalAffine, isOrthogonal, quaternionOfAffine } from "../affine.js";
import { fortranToC } from "../bytes/reorder.js";
import { ARRAYS, BYTES, bytesOfValues } from "../bytes/typed-values.js";
import type { DataType, Volume } from "../types.js";

/** How a NIfTI file is written. */
export interface NiftiWriteOptions {
  /** Element type in the file; default the volume's own. Values that don't fit are refused. */
  readonly dtype?: DataType;
  /** Stores `(value - inter) / slope`, rounded for integer types; readers undo it. Default none. */
  readonly slope?: number;
  readonly inter?: number;
  /** Default 1, or 2 where a size is beyond 32,767. */
  readonly version?: 1 | 2;
  readonly littleEndian?: boolean;
}

const CODES: Readonly<Record<DataType, number>> = {
  uint8: 2,
  int16: 4,
  int32: 8,
  float32: 16,
  float64: 64,
  int8: 256,
  uint16: 512,
  uint32: 768,
};

/** Values as the file keeps them. */
export function storedValues(volume: Volume, dtype: DataType, slope: number, inter: number) {
  const out = new ARRAYS[dtype](volume.data.length);
  const integer = !dtype.startsWith("float");
  for (let i = 0; i < out.length; i++) {
    const value = volume.data[i]!;
    const kept = slope === 1 && inter === 0 ? value : (value - inter) / slope;
    const rounded = integer && slope !== 1 ? Math.round(kept) : kept;
    out[i] = rounded;
    if (integer && out[i] !== rounded)
      throw new DataError(`writeVolume: the value ${value} at element ${i} does not fit ${dtype}`);
  }
  return out;
}

/** The bytes of a NIfTI-1 (or -2) file: sform always, qform too where the axes are at right angles, units mm. */
export function niftiBytes(volume: Volume, options: NiftiWriteOptions = {}): Uint8Array {
  const { dtype = volume.dtype, slope = 1, inter = 0, littleEndian: le = true } = options;
  const { shape, affine } = volume;
  if (!Number.isFinite(slope) || slope === 0 || !Number.isFinite(inter))
    throw new OptionError(`writeVolume: slope must be finite and not 0, inter finite, received ${slope}, ${inter}`);
  if (shape.length > 7) throw new DataError(`writeVolume: NIfTI holds up to 7 axes, received [${shape.join(", ")}]`);
  const v2 = (options.version ?? (shape.some((n) => n > 32767) ? 2 : 1)) === 2;
  if (!v2 && shape.some((n) => n > 32767))
    throw new OptionError(
      `writeVolume: NIfTI-1 holds sizes up to 32767, received [${shape.join(", ")}]; use version 2`,
    );
  const stored = storedValues(volume, dtype, slope, inter);
  const ordered = fortranToC(stored, new ARRAYS[dtype](stored.length), [...shape].reverse());

  const offset = v2 ? 544 : 352;
  const head = new Uint8Array(offset);
  const view = new DataView(head.buffer);
  const i16 = (at: number, value: number) => view.setInt16(at, value, le);
  const i32 = (at: number, value: number) => view.setInt32(at, value, le);
  const i64 = (at: number, value: number) => view.setBigInt64(at, BigInt(value), le);
  const real = (at1: number, at2: number, value: number) =>
    v2 ? view.setFloat64(at2, value, le) : view.setFloat32(at1, value, le);
  i32(0, v2 ? 540 : 348);
  const magic = v2 ? "n+2\0\r\n\x1a\n" : "n+1\0";
  for (let n = 0; n < magic.length; n++) head[(v2 ? 4 : 344) + n] = magic.charCodeAt(n);
  i16(v2 ? 12 : 70, CODES[dtype]);
  i16(v2 ? 14 : 72, BYTES[dtype] * 8);
  const dims = [shape.length, ...shape, 1, 1, 1, 1, 1, 1, 1].slice(0, 8);
  dims.forEach((n, a) => {
    if (v2) i64(16 + 8 * a, n);
    else i16(40 + 2 * a, n);
  });
  const spacing = volume.spacing.slice(0, 3);
  const { quaternion, qfac } = quaternionOfAffine(affine);
  const sizes = [0, 1, 2].map((axis) => spacing[axis] ?? 1);
  [qfac, ...sizes, 1, 1, 1, 1].forEach((n, a) => {
    real(76 + 4 * a, 104 + 8 * a, n);
  });
  if (v2) i64(168, offset);
  else view.setFloat32(108, offset, le);
  real(112, 176, slope);
  real(116, 184, inter);
  if (v2) i32(500, 2);
  else head[123] = 2;
  const description = new TextEncoder().encode(volume.meta.description ?? "").subarray(0, 79);
  head.set(description, v2 ? 240 : 148);
  // The qform has the voxel sizes of pixdim: only right where the affine has the same ones.
  const agrees = sizes.every((s, a) => a >= spacing.length || Math.abs(columnNorm(affine, a) - s) <= 1e-4 * s);
  const qform = agrees && isOrthogonal(affine);
  // A volume read without orientation stays without one.
  const plain = diagonalAffine(spacing).every((n, i) => n === affine[i]);
  const known = volume.meta.affineSource !== "none" || !plain;
  if (v2) {
    i32(344, qform && known ? 1 : 0);
    i32(348, known ? 1 : 0);
  } else {
    i16(252, qform && known ? 1 : 0);
    i16(254, known ? 1 : 0);
  }
  quaternion.forEach((n, a) => {
    real(256 + 4 * a, 352 + 8 * a, n);
  });
  [3, 7, 11].forEach((at, a) => {
    real(268 + 4 * a, 376 + 8 * a, affine[at]!);
  });
  for (let n = 0; n < 12; n++) real(280 + 4 * n, 400 + 8 * n, affine[n]!);

  const data = bytesOfValues(ordered, le);
  const out = new Uint8Array(offset + data.length);
  out.set(head);
  out.set(data, offset);
  return out;
}
