/**
 * Indices of the entries of each class, in order, from one array that is gone through twice; entries outside
 * 0..numClasses-1 belong to none.
 */
export function rowsByClass(classes: ArrayLike<number>, numClasses: number): Int32Array[] {
  const counts = new Int32Array(numClasses);
  for (let i = 0; i < classes.length; i++) {
    const c = classes[i]!;
    if (c >= 0 && c < numClasses) counts[c]!++;
  }
  const rows = Array.from(counts, (count) => new Int32Array(count));
  const filled = new Int32Array(numClasses);
  for (let i = 0; i < classes.length; i++) {
    const c = classes[i]!;
    if (c >= 0 && c < numClasses) rows[c]![filled[c]!++] = i;
  }
  return rows;
}

/** At most `limit` of the rows, evenly spread over them. */
export function thinRows(rows: Int32Array, limit: number): Int32Array {
  if (rows.length <= limit) return rows;
  const step = rows.length / limit;
  return Int32Array.from({ length: limit }, (_, k) => rows[Math.floor(k * step)]!);
}

/** One array after another. */
export function joinRows(parts: readonly Int32Array[]): Int32Array {
  const joined = new Int32Array(parts.reduce((n, { length }) => n + length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
