import { OptionError, ShapeError } from "@semiseg/errors";

/** Result of {@link wilcoxonSignedRank}. */
export interface WilcoxonResult {
  /** The smaller of the rank sums of positive and negative differences. */
  readonly statistic: number;
  /** Two-sided. */
  readonly pValue: number;
  /** Pairs that differ; equal pairs are left out. */
  readonly pairs: number;
  /** `exact` distribution, or the normal approximation where pairs are many. */
  readonly method: "exact" | "normal";
}

/** Ranks from 1 of absolute values, ties sharing their mean rank, and the tie correction `sum t^3 - t`. */
function ranks(values: readonly number[]): { readonly ranks: number[]; readonly ties: number } {
  const order = values.map((_, i) => i).sort((i, j) => Math.abs(values[i]!) - Math.abs(values[j]!));
  const out = Array<number>(values.length).fill(0);
  let ties = 0;
  for (let from = 0; from < order.length; ) {
    let to = from;
    while (to < order.length && Math.abs(values[order[to]!]!) === Math.abs(values[order[from]!]!)) to++;
    for (let k = from; k < to; k++) out[order[k]!] = (from + to + 1) / 2;
    ties += (to - from) ** 3 - (to - from);
    from = to;
  }
  return { ranks: out, ties };
}

/** `P(W <= w)` when each rank is positive or negative with equal chance. Ranks are whole or half numbers. */
function exactBelow(w: number, ranked: readonly number[]): number {
  // Twice the ranks, so that shared ranks are whole numbers too; at most 2^50 ways, exact in float64.
  const doubled = ranked.map((rank) => 2 * rank);
  const ways = new Float64Array(doubled.reduce((a, b) => a + b, 0) + 1);
  ways[0] = 1;
  let top = 0;
  for (const rank of doubled) {
    top += rank;
    for (let sum = top; sum >= rank; sum--) ways[sum]! += ways[sum - rank]!;
  }
  let below = 0;
  for (let sum = 0; sum <= 2 * w; sum++) below += ways[sum]!;
  return below / 2 ** ranked.length;
}

/** Complementary error function, relative error below 1e-13 (continued fraction in the tail, series near 0). */
function erfc(x: number): number {
  if (x < 0) return 2 - erfc(-x);
  if (x < 2) {
    let [term, sum] = [x, x];
    for (let k = 1; k < 200; k++) {
      term *= (-x * x) / k;
      sum += term / (2 * k + 1);
      if (Math.abs(term) < 1e-18) break;
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = 0;
  for (let k = 120; k > 0; k--) fraction = k / 2 / (x + fraction);
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + fraction);
}

/**
 * Wilcoxon signed-rank test of paired values, two-sided. Equal pairs are left out (Wilcoxon's own rule). The distribution
 * is exact for up to 50 pairs, or 13 where there are ties or equal pairs; beyond that normal, with tie correction and
 * without continuity correction: the defaults of scipy's `wilcoxon`. Pairs with a NaN must be removed by the caller, who
 * knows what they stand for.
 *
 * @returns pValue 1 when no pair differs.
 * @throws ShapeError for lists of unequal length; OptionError for a value that is not finite.
 * @see Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bulletin 1945.
 */
export function wilcoxonSignedRank(a: ArrayLike<number>, b: ArrayLike<number>): WilcoxonResult {
  if (a.length !== b.length)
    throw new ShapeError(`wilcoxonSignedRank: a and b must be pairs, received ${a.length} and ${b.length} values`);
  const all = Array.from(a, (value, i) => value - b[i]!);
  if (!all.every(Number.isFinite))
    throw new OptionError("wilcoxonSignedRank: a and b must be finite: leave out pairs with a missing value");
  const differences = all.filter((d) => d !== 0);
  const n = differences.length;
  if (n === 0) return { statistic: 0, pValue: 1, pairs: 0, method: "exact" };
  const ranked = ranks(differences);
  let positive = 0;
  for (const [i, d] of differences.entries()) if (d > 0) positive += ranked.ranks[i]!;
  const total = (n * (n + 1)) / 2;
  const statistic = Math.min(positive, total - positive);
  if (all.length <= (ranked.ties === 0 && n === all.length ? 50 : 13))
    return { statistic, pValue: Math.min(1, 2 * exactBelow(statistic, ranked.ranks)), pairs: n, method: "exact" };
  const variance = (n * (n + 1) * (2 * n + 1)) / 24 - ranked.ties / 48;
  const z = (statistic - total / 2) / Math.sqrt(variance);
  return { statistic, pValue: Math.min(1, erfc(-z / Math.SQRT2)), pairs: n, method: "normal" };
}
