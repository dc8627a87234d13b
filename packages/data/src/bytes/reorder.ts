import type { TypedArray } from "../types.js";

/**
 * Rewrites an array of Fortran order (first axis fastest) in C order (last axis fastest).
 * Takes eight steps of the last axis at once, so that neither side jumps through memory.
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

/** `fortranToC` of bytes that are looked up in a table of 256 on the way. */
export function fortranToCThrough<T extends Float32Array | Float64Array>(
  source: Uint8Array,
  table: T,
  out: T,
  shape: readonly number[],
): T {
  if (shape.length < 2) for (let v = 0; v < source.length; v++) out[v] = table[source[v]!]!;
  else
    forPlanes(shape, (from, to, first, last, lastStride, firstStride) => {
      let k = 0;
      for (; k + 8 <= last; k += 8) {
        const s = from + k * lastStride;
        for (let i = s, r = to + k; i < s + first; i++, r += firstStride) {
          out[r] = table[source[i]!]!;
          out[r + 1] = table[source[i + lastStride]!]!;
          out[r + 2] = table[source[i + 2 * lastStride]!]!;
          out[r + 3] = table[source[i + 3 * lastStride]!]!;
          out[r + 4] = table[source[i + 4 * lastStride]!]!;
          out[r + 5] = table[source[i + 5 * lastStride]!]!;
          out[r + 6] = table[source[i + 6 * lastStride]!]!;
          out[r + 7] = table[source[i + 7 * lastStride]!]!;
        }
      }
      for (; k < last; k++)
        for (let i = 0; i < first; i++) out[to + i * firstStride + k] = table[source[from + i + k * lastStride]!]!;
    });
  return out;
}

function asIntegers(values: TypedArray): TypedArray {
  const { buffer, byteOffset, length, BYTES_PER_ELEMENT: width } = values;
  if (width === 1) return new Uint8Array(buffer, byteOffset, length);
  if (width === 2) return new Uint16Array(buffer, byteOffset, length);
  return width === 4 ? new Uint32Array(buffer, byteOffset, length) : values;
}

function reorder(source: TypedArray, out: TypedArray, shape: readonly number[]): void {
  forPlanes(shape, (from, to, first, last, lastStride, firstStride) => {
    let k = 0;
    for (; k + 8 <= last; k += 8) {
      const s = from + k * lastStride;
      for (let i = s, r = to + k; i < s + first; i++, r += firstStride) {
        out[r] = source[i]!;
        out[r + 1] = source[i + lastStride]!;
        out[r + 2] = source[i + 2 * lastStride]!;
        out[r + 3] = source[i + 3 * lastStride]!;
        out[r + 4] = source[i + 4 * lastStride]!;
        out[r + 5] = source[i + 5 * lastStride]!;
        out[r + 6] = source[i + 6 * lastStride]!;
        out[r + 7] = source[i + 7 * lastStride]!;
      }
    }
    for (; k < last; k++)
      for (let i = 0; i < first; i++) out[to + i * firstStride + k] = source[from + i + k * lastStride]!;
  });
}

/** Calls back for every position on the axes between first and last: where it begins on both sides, sizes, strides. */
function forPlanes(
  shape: readonly number[],
  each: (from: number, to: number, first: number, last: number, lastStride: number, firstStride: number) => void,
): void {
  const first = shape[0]!;
  const last = shape[shape.length - 1]!;
  const middle = shape.slice(1, -1);
  const planes = middle.reduce((a, b) => a * b, 1);
  const index = new Array<number>(middle.length).fill(0);
  for (let plane = 0; plane < planes; plane++) {
    // `plane` counts the middle axes in Fortran order; `inC` is the same position in C order.
    let inC = 0;
    for (let a = 0; a < middle.length; a++) inC = inC * middle[a]! + index[a]!;
    each(plane * first, inC * last, first, last, first * planes, planes * last);
    for (let a = 0; a < middle.length; a++) {
      index[a]!++;
      if (index[a]! < middle[a]!) break;
      index[a] = 0;
    }
  }
}
