/** Writes NIfTI bytes by hand, independently of the product's writer. */
export interface NiftiFile {
  version?: 1 | 2;
  little?: boolean;
  shape?: number[];
  code?: number;
  bits?: number;
  pixdim?: number[];
  slope?: number;
  inter?: number;
  units?: number;
  qform?: { code: number; b: number; c: number; d: number; x: number; y: number; z: number };
  sform?: { code: number; rows: number[] };
  offset?: number;
  magic?: string;
  /** Writes element n at byte `at`. */
  put: (view: DataView, at: number, n: number, little: boolean) => void;
  elements?: number;
}

export function niftiFile(file: NiftiFile): Uint8Array {
  const { version = 1, little: le = true, shape = [2, 3, 4], code = 4, bits = 16 } = file;
  const v2 = version === 2;
  const offset = file.offset ?? (v2 ? 544 : 352);
  const elements = file.elements ?? shape.reduce((a, b) => a * b, 1);
  const bytes = new Uint8Array(offset + (elements * bits) / 8);
  const view = new DataView(bytes.buffer);
  const real = (a: number, b: number, x: number) => (v2 ? view.setFloat64(b, x, le) : view.setFloat32(a, x, le));
  view.setInt32(0, v2 ? 540 : 348, le);
  const magic = file.magic ?? (v2 ? "n+2" : "n+1");
  for (let i = 0; i < 3; i++) bytes[(v2 ? 4 : 344) + i] = magic.charCodeAt(i);
  [shape.length, ...shape].forEach((n, i) => {
    if (v2) view.setBigInt64(16 + 8 * i, BigInt(n), le);
    else view.setInt16(40 + 2 * i, n, le);
  });
  view.setInt16(v2 ? 12 : 70, code, le);
  view.setInt16(v2 ? 14 : 72, bits, le);
  (file.pixdim ?? [1, 1, 1, 1]).forEach((x, i) => {
    real(76 + 4 * i, 104 + 8 * i, x);
  });
  if (v2) view.setBigInt64(168, BigInt(offset), le);
  else view.setFloat32(108, offset, le);
  real(112, 176, file.slope ?? 0);
  real(116, 184, file.inter ?? 0);
  if (v2) view.setInt32(500, file.units ?? 0, le);
  else bytes[123] = file.units ?? 0;
  const short = (a: number, b: number, x: number) => (v2 ? view.setInt32(b, x, le) : view.setInt16(a, x, le));
  short(252, 344, file.qform?.code ?? 0);
  short(254, 348, file.sform?.code ?? 0);
  if (file.qform) {
    const { b, c, d, x, y, z } = file.qform;
    [b, c, d, x, y, z].forEach((q, i) => {
      real(256 + 4 * i, 352 + 8 * i, q);
    });
  }
  file.sform?.rows.forEach((x, i) => {
    real(280 + 4 * i, 400 + 8 * i, x);
  });
  for (let n = 0; n < elements; n++) file.put(view, offset + (n * bits) / 8, n, le);
  return bytes;
}

export const int16s: NiftiFile["put"] = (view, at, n, le) => view.setInt16(at, n, le);
