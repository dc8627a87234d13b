/** The percentile of a list by linear interpolation between order statistics (numpy's default). */
export function percentileOf(values: Float64Array, percentile: number): number {
  const sorted = Float64Array.from(values).sort();
  const rank = ((sorted.length - 1) * percentile) / 100;
  const low = Math.floor(rank);
  const a = sorted[low]!;
  const b = sorted[Math.min(sorted.length - 1, low + 1)]!;
  return a + (b - a) * (rank - low);
}

/**
 * The smallest value up to which `percentile` per cent of the weight lies. Values and weights are sorted by value, then
 * by weight, and summed in the order of the reference library, so that a share of exactly `percentile` falls alike.
 */
export function weightedPercentileOf(values: Float64Array, weights: Float64Array, percentile: number): number {
  const byWeight = sortedBy(weights, Int32Array.from(weights.keys()));
  const order = sortedBy(values, byWeight);
  const sorted = new Float64Array(order.length);
  for (let i = 0; i < order.length; i++) sorted[i] = weights[order[i]!]!;
  const total = pairwiseSum(sorted, 0, sorted.length);
  let sum = 0;
  for (let i = 0; i < order.length; i++) {
    sum += sorted[i]!;
    if (sum / total >= percentile / 100) return values[order[i]!]!;
  }
  return values[order.at(-1)!]!;
}

/** Sum by halves with eight partial sums in blocks of at most 128, as numpy's. */
export function pairwiseSum(values: Float64Array, start: number, count: number): number {
  if (count > 128) {
    const half = (count >> 1) - ((count >> 1) % 8);
    return pairwiseSum(values, start, half) + pairwiseSum(values, start + half, count - half);
  }
  let sum = 0;
  let i = 0;
  if (count >= 8) {
    const part = values.slice(start, start + 8);
    for (i = 8; i < count - (count % 8); i += 8) for (let k = 0; k < 8; k++) part[k]! += values[start + i + k]!;
    sum = part[0]! + part[1]! + (part[2]! + part[3]!) + (part[4]! + part[5]! + (part[6]! + part[7]!));
  }
  for (; i < count; i++) sum += values[start + i]!;
  return sum;
}

/** Indices in the order of their values; equal values stay in the order they come in. */
function sortedBy(values: Float64Array, indices: Int32Array): Int32Array {
  const distinct = Float64Array.from(values).sort();
  let count = 0;
  for (let i = 0; i < distinct.length; i++)
    if (i === 0 || distinct[i] !== distinct[count - 1]) distinct[count++] = distinct[i]!;
  const bucket = new Int32Array(values.length);
  const next = new Int32Array(count + 1);
  for (let i = 0; i < values.length; i++) {
    let [low, high] = [0, count - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (distinct[middle]! < values[i]!) low = middle + 1;
      else high = middle;
    }
    bucket[i] = low;
    next[low + 1]!++;
  }
  for (let k = 0; k < count; k++) next[k + 1]! += next[k]!;
  const order = new Int32Array(values.length);
  for (let n = 0; n < indices.length; n++) order[next[bucket[indices[n]!]!]!++] = indices[n]!;
  return order;
}
