/** Squared distance of a voxel from which no seed can be reached along the axes seen so far. */
export const FAR = Number.POSITIVE_INFINITY;

/** Working memory of one line of up to `n` voxels; reused for every line, so that nothing is allocated per voxel. */
export interface Envelope {
  /** Places of the parabolas that are lowest somewhere, in order. */
  readonly apex: Int32Array;
  /** From where on each of them is lowest. */
  readonly border: Float64Array;
  /** Values at the apexes. */
  readonly height: Float64Array;
  /** `(spacing i)^2`. */
  readonly square: Float64Array;
  /** `1 / (2 spacing^2 k)`. */
  readonly slope: Float64Array;
  readonly spacing: number;
}

/** Working memory for lines of `n` voxels at `spacing`. */
export function envelope(n: number, spacing: number): Envelope {
  const slope = Float64Array.from({ length: n + 1 }, (_, k) => 1 / (2 * spacing * spacing * k));
  const square = Float64Array.from({ length: n + 1 }, (_, i) => i * spacing * (i * spacing));
  return { apex: new Int32Array(n), border: new Float64Array(n), height: new Float64Array(n), square, slope, spacing };
}

/**
 * Finds the lower envelope of the parabolas `values[offset + j] + (spacing (x - j))^2` over x = first .. last, with j in
 * the same range (Felzenszwalb and Huttenlocher, "Distance transforms of sampled functions", Theory of Computing 2012):
 * linear time.
 *
 * @returns how many parabolas it has; 0 when every value is {@link FAR}.
 */
export function buildEnvelope(
  line: Envelope,
  values: Float64Array,
  offset: number,
  first: number,
  last: number,
): number {
  const { apex, border, height, square, slope } = line;
  let count = 0;
  // Of the parabola on top of the stack: apex, height + (spacing apex)^2, and from where on it is lowest.
  let top = 0;
  let key = 0;
  let start = 0;
  for (let i = first; i <= last; i++) {
    const v = values[offset + i]!;
    if (v === FAR) continue;
    const mine = v + square[i]!;
    let from = first;
    while (count > 0) {
      // Where this parabola passes below the one on top.
      from = (mine - key) * slope[i - top]!;
      if (from > start) break;
      if (--count === 0) {
        from = first;
        break;
      }
      top = apex[count - 1]!;
      key = height[count - 1]! + square[top]!;
      start = border[count - 1]!;
    }
    // A parabola that is lowest behind the last voxel only is never seen.
    if (from > last) continue;
    apex[count] = i;
    height[count] = v;
    border[count] = from;
    count++;
    top = i;
    key = mine;
    start = from;
  }
  return count;
}
