import { DataError } from "@semiseg/errors";
import {
  type Affine,
  affineOfQuaternion,
  columnNorm,
  determinant3,
  diagonalAffine,
  isFiniteAffine,
} from "../affine.js";
import { BYTES, type StoredType } from "../bytes/typed-values.js";

/** A checked NIfTI-1 or NIfTI-2 header. */
export interface NiftiHeader {
  readonly version: 1 | 2;
  readonly littleEndian: boolean;
  /** Data in this file (".nii") or in a ".img" beside it. */
  readonly single: boolean;
  readonly shape: readonly number[];
  readonly stored: StoredType;
  /** Numbers per voxel: 1, 2 (complex), 3 (RGB) or 4 (RGBA). */
  readonly components: number;
  readonly dataOffset: number;
  readonly slope: number;
  readonly inter: number;
  readonly spacing: readonly number[];
  readonly affine: Affine;
  readonly affineSource: "sform" | "qform" | "none";
  readonly description: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** What to do about the orientation, see `readVolume`. */
export type AffineRule = "standard" | "ignore";

const TYPES: Readonly<Record<number, readonly [StoredType, number]>> = {
  2: ["uint8", 1],
  4: ["int16", 1],
  8: ["int32", 1],
  16: ["float32", 1],
  32: ["float32", 2],
  64: ["float64", 1],
  128: ["uint8", 3],
  256: ["int8", 1],
  512: ["uint16", 1],
  768: ["uint32", 1],
  1024: ["int64", 1],
  1280: ["uint64", 1],
  1792: ["float64", 2],
  2304: ["uint8", 4],
};

/** Millimetres per unit of length, by xyzt_units & 7. */
const MILLIMETRES: Readonly<Record<number, number>> = { 1: 1000, 2: 1, 3: 0.001 };

/** Header length in bytes of the version that these first bytes announce, or null when it isn't NIfTI. */
export function niftiHeaderSize(head: Uint8Array): 348 | 540 | null {
  if (head.length < 4) return null;
  const view = new DataView(head.buffer, head.byteOffset, 4);
  for (const little of [true, false]) {
    const size = view.getInt32(0, little);
    if (size === 348 || size === 540) return size;
  }
  return null;
}

/** Reads and checks a header of 348 or 540 bytes. */
export function parseNiftiHeader(name: string, head: Uint8Array, rule: AffineRule = "standard"): NiftiHeader {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const size = niftiHeaderSize(head);
  if (!size || head.length < size) throw new DataError(`${name}: not a NIfTI header`);
  const le = view.getInt32(0, true) === size;
  const v2 = size === 540;
  const bad = (what: string): DataError => new DataError(`${name}: damaged NIfTI-${v2 ? 2 : 1} header: ${what}`);
  const magic = String.fromCharCode(...head.subarray(v2 ? 4 : 344, v2 ? 7 : 347));
  if (magic !== (v2 ? "n+2" : "n+1") && magic !== (v2 ? "ni2" : "ni1"))
    throw bad(`magic is ${JSON.stringify(magic)}, expected "${v2 ? "n+2" : "n+1"}"`);
  const single = magic.startsWith("n+");

  const i16 = (at: number) => view.getInt16(at, le);
  const real = (at1: number, at2: number) => (v2 ? view.getFloat64(at2, le) : view.getFloat32(at1, le));
  const long = (at: number): number => {
    const value = Number(view.getBigInt64(at, le));
    if (!Number.isSafeInteger(value)) throw bad(`the integer at byte ${at} is out of range`);
    return value;
  };
  const dim = Array.from({ length: 8 }, (_, n) => (v2 ? long(16 + 8 * n) : i16(40 + 2 * n)));
  const rank = dim[0]!;
  if (rank < 1 || rank > 7) throw bad(`dim[0] is ${rank}, expected 1 to 7`);
  const shape = dim.slice(1, rank + 1);
  if (shape.some((n) => n < 1)) throw bad(`the shape is [${shape.join(", ")}], every size must be positive`);

  const code = i16(v2 ? 12 : 70);
  const bits = i16(v2 ? 14 : 72);
  const type = TYPES[code];
  if (!type) {
    const known: Record<number, string> = { 1: "binary", 1536: "float128", 2048: "complex256" };
    throw new DataError(`${name}: NIfTI datatype ${code}${known[code] ? ` (${known[code]})` : ""} is not supported`);
  }
  const [stored, components] = type;
  if (bits !== BYTES[stored] * components * 8)
    throw bad(`bitpix is ${bits}, datatype ${code} has ${BYTES[stored] * components * 8}`);

  let offset = v2 ? long(168) : real(108, 168);
  const least = single ? size + 4 : 0;
  if (offset === 0) offset = least; // SPM and others leave it at 0.
  if (!Number.isInteger(offset) || offset < least) throw bad(`vox_offset is ${offset}, expected at least ${least}`);

  let slope = real(112, 176);
  let inter = real(116, 184);
  if (slope === 0 || Number.isNaN(slope)) [slope, inter] = [1, 0];
  if (!Number.isFinite(slope) || !Number.isFinite(inter)) throw bad(`scl_slope is ${slope}, scl_inter is ${inter}`);

  const units = v2 ? view.getInt32(500, le) : head[123]!;
  const unit = MILLIMETRES[units & 7] ?? 1;
  const pixdim = Array.from({ length: 8 }, (_, n) => real(76 + 4 * n, 104 + 8 * n));
  const spatial = Math.min(3, rank);
  const usable = (x: number | undefined): x is number => x !== undefined && Number.isFinite(x) && x !== 0;
  const sizes = [1, 2, 3].map((n) => (n <= spatial && usable(pixdim[n]) ? Math.abs(pixdim[n]!) * unit : 1));

  const qformCode = v2 ? view.getInt32(344, le) : i16(252);
  const sformCode = v2 ? view.getInt32(348, le) : i16(254);
  const affineSource = rule === "ignore" ? "none" : sformCode > 0 ? "sform" : qformCode > 0 ? "qform" : "none";
  let affine: Affine = diagonalAffine(sizes);
  if (affineSource === "sform") {
    const rows = Array.from({ length: 12 }, (_, n) => real(280 + 4 * n, 400 + 8 * n) * unit);
    affine = [...rows, 0, 0, 0, 1];
  } else if (affineSource === "qform") {
    const q = [0, 1, 2].map((n) => real(256 + 4 * n, 352 + 8 * n)) as [number, number, number];
    const o = [0, 1, 2].map((n) => real(268 + 4 * n, 376 + 8 * n) * unit) as [number, number, number];
    const norm = q[0] ** 2 + q[1] ** 2 + q[2] ** 2;
    if (!(norm <= 1.0001)) throw bad(`the qform quaternion (${q.join(", ")}) is longer than 1`);
    affine = affineOfQuaternion(q, sizes as [number, number, number], pixdim[0]! < 0 ? -1 : 1, o);
  }
  if (!isFiniteAffine(affine) || determinant3(affine) === 0)
    throw bad(
      `the ${affineSource} is not an invertible matrix of finite numbers (option affine: 'ignore' reads it anyway)`,
    );
  // A pixdim of 0 or NaN says nothing; the affine's columns do.
  const spacing = sizes.slice(0, spatial).map((s, n) => (usable(pixdim[n + 1]) ? s : columnNorm(affine, n)));

  const text = head.subarray(v2 ? 240 : 148, v2 ? 320 : 228);
  const end = text.indexOf(0);
  const description = new TextDecoder("latin1").decode(end < 0 ? text : text.subarray(0, end));
  const intent = v2 ? view.getInt32(504, le) : i16(68);
  const fields = { pixdim, qformCode, sformCode, datatype: code, xyztUnits: units, intentCode: intent };
  return {
    version: v2 ? 2 : 1,
    littleEndian: le,
    single,
    shape,
    stored,
    components,
    dataOffset: offset,
    slope,
    inter,
    spacing,
    affine,
    affineSource,
    description,
    fields,
  };
}
