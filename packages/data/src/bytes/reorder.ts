import type { TypedArray } from "../types.js";

const TILE = 32;

/**
 * Rewrites an array of Fortran order (first axis fastest) in C order (last axis fastest).
 * Works on tiles of the first and last axes, so that neither side jumps through memory.
 *
 * The way back is the same function with `shape` reversed.
 */
export function fortranToC<T extends TypedArray>(source: TypedArray, out: T, shape: readonly number[]): T {
  if (shape.length < 2) {
    out.set(source);
    return out;
  }
  // Only whole elements move: seen as unsigned integers of their width, the loops meet few array types and stay fast.
  reorder(asIntegers(source), asIntegers(out), shape);
  return out;
}

function asIntegers(values: TypedArray): TypedArray {
  const { buffer, byteOffset, length, BYTES_PER_ELEMENT: width } = values;
  if (width === 1) return new Uint8Array(buffer, byteOffset, length);
  if (width === 2) return new Uint16Array(buffer, byteOffset, length);
  return width === 4 ? new Uint32Array(buffer, byteOffset, length) : values;
}

function reorder(source: TypedArray, out: TypedArray, shape: readonly number[]): void {
  const rank = shape.length;
  const first = shape[0]!;
  const last = shape[rank - 1]!;
  const middle = shape.slice(1, -1);
  const planes = middle.reduce((a, b) => a * b, 1);
  const lastStride = first * planes; // of the source
  const firstStride = planes * last; // of the output
  const index = new Array<number>(middle.length).fill(0);
  for (let plane = 0; plane < planes; plane++) {
    // `plane` counts the middle axes in Fortran order; `rank` of the same voxel plane in C order:
    let inC = 0;
    for (let a = 0; a < middle.length; a++) inC = inC * middle[a]! + index[a]!;
    const from = plane * first;
    const to = inC * last;
    for (let k0 = 0; k0 < last; k0 += TILE) {
      const k1 = Math.min(last, k0 + TILE);
      for (let i0 = 0; i0 < first; i0 += TILE) {
        const i1 = Math.min(first, i0 + TILE);
        for (let i = i0; i < i1; i++) {
          const row = to + i * firstStride;
          for (let k = k0; k < k1; k++) out[row + k] = source[from + i + k * lastStride]!;
        }
      }
    }
    for (let a = 0; a < middle.length; a++) {
      index[a]!++;
      if (index[a]! < middle[a]!) break;
      index[a] = 0;
    }
  }
}
