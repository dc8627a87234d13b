const DIGIT = 0x10000;

/** float32 values as whole numbers in the opposite order: the smallest number stands for the largest value. */
function descendingKeys(values: Float32Array): Uint32Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const keys = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) {
    const b = bits[i]!;
    // Bits of positive numbers grow with them, those of negative ones shrink; -0 counts as 0.
    keys[i] = b >>> 31 === 0 ? ~(b | 0x80000000) : b === 0x80000000 ? 0x7fffffff : b;
  }
  return keys;
}

/** The digit at which the running count of `digits` reaches `wanted`, and the count before it. */
function reach(counts: Uint32Array, wanted: number): { digit: number; before: number } {
  let before = 0;
  let digit = 0;
  while (before + counts[digit]! < wanted) before += counts[digit++]!;
  return { digit, before };
}

/** The rows of the `limit` smallest keys, equal ones in the order of the rows: two counts in place of a sort. */
function smallest(rows: Int32Array, keys: Uint32Array, limit: number): Int32Array {
  const counts = new Uint32Array(DIGIT);
  for (let k = 0; k < rows.length; k++) counts[keys[rows[k]!]! >>> 16]!++;
  const high = reach(counts, limit);
  counts.fill(0);
  for (let k = 0; k < rows.length; k++) {
    const key = keys[rows[k]!]!;
    if (key >>> 16 === high.digit) counts[key & 0xffff]!++;
  }
  const low = reach(counts, limit - high.before);
  const last = high.digit * DIGIT + low.digit;
  let ties = limit - high.before - low.before;
  const kept = new Int32Array(limit);
  let n = 0;
  for (let k = 0; k < rows.length; k++) {
    const key = keys[rows[k]!]!;
    if (key < last || (key === last && ties-- > 0)) kept[n++] = rows[k]!;
  }
  return kept;
}

/** Rows in the order of their keys, equal ones as they were: a radix sort of two digits. */
function sorted(rows: Int32Array, keys: Uint32Array): Int32Array {
  let from = rows;
  for (const shift of [0, 16]) {
    const starts = new Uint32Array(DIGIT + 1);
    for (let k = 0; k < from.length; k++) starts[((keys[from[k]!]! >>> shift) & 0xffff) + 1]!++;
    for (let d = 0; d < DIGIT; d++) starts[d + 1]! += starts[d]!;
    const to = new Int32Array(from.length);
    for (let k = 0; k < from.length; k++) to[starts[(keys[from[k]!]! >>> shift) & 0xffff]!++] = from[k]!;
    from = to;
  }
  return from;
}

/**
 * Of each list of rows the `limit` with the highest values, best first, ties in the order of the rows. Takes time in
 * proportion to the number of rows.
 */
export function highestRows(lists: readonly Int32Array[], values: Float32Array, limit: number): Int32Array[] {
  const keys = descendingKeys(values);
  return lists.map((rows) => sorted(rows.length > limit ? smallest(rows, keys, limit) : rows, keys));
}
