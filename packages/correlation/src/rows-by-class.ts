/** Indices of the entries of each class, in order; entries outside 0..numClasses-1 belong to none. */
export function rowsByClass(classes: ArrayLike<number>, numClasses: number): number[][] {
  const rows: number[][] = Array.from({ length: numClasses }, () => []);
  for (let i = 0; i < classes.length; i++) rows[classes[i]!]?.push(i);
  return rows;
}

/** At most `limit` of the rows, evenly spread over them. */
export function thinRows(rows: readonly number[], limit: number): readonly number[] {
  if (rows.length <= limit) return rows;
  const step = rows.length / limit;
  return Array.from({ length: limit }, (_, k) => rows[Math.floor(k * step)]!);
}
