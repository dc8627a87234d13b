/** Result of {@link summarizeValues}. */
export interface ValueSummary {
  /** NaN when no value is there. */
  readonly mean: number;
  /** Sample standard deviation (n - 1); NaN for fewer than two values. */
  readonly sd: number;
  readonly median: number;
  /** Values that are numbers. */
  readonly count: number;
  /** NaN ones, left out of everything above. */
  readonly missing: number;
}

/** Mean, standard deviation and median of the values that are there; missing (NaN) ones are counted, never hidden. */
export function summarizeValues(values: ArrayLike<number>): ValueSummary {
  const there = Array.from(values)
    .filter((v) => !Number.isNaN(v))
    .sort((a, b) => a - b);
  const count = there.length;
  const mean = count === 0 ? Number.NaN : there.reduce((a, b) => a + b, 0) / count;
  const squares = there.reduce((sum, v) => sum + (v - mean) ** 2, 0);
  const middle = count >> 1;
  const median = count === 0 ? Number.NaN : count % 2 ? there[middle]! : (there[middle - 1]! + there[middle]!) / 2;
  return {
    mean,
    sd: count < 2 ? Number.NaN : Math.sqrt(squares / (count - 1)),
    median,
    count,
    missing: values.length - count,
  };
}
