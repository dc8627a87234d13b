/** 4 x 4 affines as 16 numbers, row-major. */
export type Affine = readonly number[];

export const isFiniteAffine = (affine: Affine): boolean => affine.length === 16 && affine.every(Number.isFinite);

/** Determinant of the upper left 3 x 3 part. */
export function determinant3(m: Affine): number {
  const [a, b, c, , d, e, f, , g, h, i] = m as [number, ...number[]];
  return a * (e! * i! - f! * h!) - b! * (d! * i! - f! * g!) + c! * (d! * h! - e! * g!);
}

/** Length of column `axis`: millimetres per voxel step along that axis. */
export function columnNorm(affine: Affine, axis: number): number {
  return Math.hypot(affine[axis]!, affine[4 + axis]!, affine[8 + axis]!);
}

/** Whether the three columns are at right angles, within float32 rounding. */
export function isOrthogonal(affine: Affine): boolean {
  for (const [p, q] of [
    [0, 1],
    [0, 2],
    [1, 2],
  ] as const) {
    let dot = 0;
    for (let r = 0; r < 3; r++) dot += affine[4 * r + p]! * affine[4 * r + q]!;
    if (Math.abs(dot) > 1e-5 * columnNorm(affine, p) * columnNorm(affine, q)) return false;
  }
  return true;
}

/** `diag(spacing)` with the origin at 0. */
export function diagonalAffine(spacing: readonly number[]): number[] {
  const [x = 1, y = 1, z = 1] = spacing;
  return [x, 0, 0, 0, 0, y, 0, 0, 0, 0, z, 0, 0, 0, 0, 1];
}

/** The affine of a quaternion (b, c, d), voxel sizes, handedness `qfac` and offset, as the NIfTI standard defines it. */
export function affineOfQuaternion(
  quaternion: readonly [number, number, number],
  sizes: readonly [number, number, number],
  qfac: number,
  offset: readonly [number, number, number],
): number[] {
  let [b, c, d] = quaternion;
  const rest = 1 - (b * b + c * c + d * d);
  let a = Math.sqrt(Math.max(0, rest));
  if (rest < 1e-7) {
    const norm = Math.hypot(b, c, d); // A half turn: a is 0 and the rest is normalised against rounding.
    a = 0;
    [b, c, d] = [b / norm, c / norm, d / norm];
  }
  const [i, j] = sizes;
  const k = sizes[2] * qfac;
  return [
    (a * a + b * b - c * c - d * d) * i,
    2 * (b * c - a * d) * j,
    2 * (b * d + a * c) * k,
    offset[0],
    2 * (b * c + a * d) * i,
    (a * a + c * c - b * b - d * d) * j,
    2 * (c * d - a * b) * k,
    offset[1],
    2 * (b * d - a * c) * i,
    2 * (c * d + a * b) * j,
    (a * a + d * d - c * c - b * b) * k,
    offset[2],
    0,
    0,
    0,
    1,
  ];
}

/** Quaternion (b, c, d) and qfac of an orthogonal affine; the inverse of {@link affineOfQuaternion}. */
export function quaternionOfAffine(affine: Affine): { quaternion: [number, number, number]; qfac: number } {
  const qfac = determinant3(affine) < 0 ? -1 : 1;
  const r = (row: number, axis: number): number =>
    (affine[4 * row + axis]! / columnNorm(affine, axis)) * (axis === 2 ? qfac : 1);
  const [xx, yy, zz] = [r(0, 0), r(1, 1), r(2, 2)];
  // The four squared components times 4; the largest one is the safe divisor.
  const squares = [1 + xx + yy + zz, 1 + xx - yy - zz, 1 - xx + yy - zz, 1 - xx - yy + zz];
  const largest = squares.indexOf(Math.max(...squares));
  const s = 2 * Math.sqrt(squares[largest]!);
  const q: [number, number, number, number] =
    largest === 0
      ? [s / 4, (r(2, 1) - r(1, 2)) / s, (r(0, 2) - r(2, 0)) / s, (r(1, 0) - r(0, 1)) / s]
      : largest === 1
        ? [(r(2, 1) - r(1, 2)) / s, s / 4, (r(0, 1) + r(1, 0)) / s, (r(0, 2) + r(2, 0)) / s]
        : largest === 2
          ? [(r(0, 2) - r(2, 0)) / s, (r(0, 1) + r(1, 0)) / s, s / 4, (r(1, 2) + r(2, 1)) / s]
          : [(r(1, 0) - r(0, 1)) / s, (r(0, 2) + r(2, 0)) / s, (r(1, 2) + r(2, 1)) / s, s / 4];
  const sign = q[0] < 0 ? -1 : 1; // The file keeps b, c, d only; a is taken as positive.
  return { quaternion: [q[1] * sign, q[2] * sign, q[3] * sign], qfac };
}

/** Multiplies two affines. */
export function multiplyAffines(p: Affine, q: Affine): number[] {
  const out = new Array<number>(16).fill(0);
  for (let r = 0; r < 4; r++)
    for (let c = 0; c < 4; c++) for (let k = 0; k < 4; k++) out[4 * r + c]! += p[4 * r + k]! * q[4 * k + c]!;
  return out;
}
