import { checkChoice, checkNumber, OptionError } from "@semiseg/errors";
import { RandomSource } from "@semiseg/random";

/** Options of {@link bootstrapInterval}. */
export interface BootstrapOptions {
  /** Default: the mean. */
  readonly statistic?: (values: readonly number[]) => number;
  /** Default 0.95. */
  readonly confidence?: number;
  /** Default 2000. */
  readonly resamples?: number;
  /** Bias-corrected and accelerated, or the quantiles of the resampled statistics as they are. Default `bca`. */
  readonly method?: "bca" | "percentile";
  /** Default 0. */
  readonly seed?: number;
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

/** Standard normal distribution function, absolute error below 1e-15 over the range that matters here. */
function normalCdf(z: number): number {
  if (z < -8) return 0;
  if (z > 8) return 1;
  let [term, sum] = [z, z];
  for (let k = 3; k < 300 && Math.abs(term) > 1e-17; k += 2) {
    term *= (z * z) / k;
    sum += term;
  }
  return 0.5 + (sum * Math.exp((-z * z) / 2)) / Math.sqrt(2 * Math.PI);
}

/** Inverse of {@link normalCdf} by bisection. */
function normalQuantile(p: number): number {
  let [low, high] = [-8, 8];
  for (let i = 0; i < 80; i++) {
    const middle = (low + high) / 2;
    if (normalCdf(middle) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/**
 * Confidence interval of a statistic by the bootstrap: cases are drawn with replacement, and the quantiles of the
 * statistic are corrected for bias and skewness (BCa) unless `method` is `percentile`. Seeded: the same values give the same interval.
 *
 * @returns `[low, high]`; both the statistic itself where all values are equal.
 * @throws OptionError for fewer than two values or one that is not finite.
 * @see Efron, "Better bootstrap confidence intervals", JASA 1987.
 */
export function bootstrapInterval(values: ArrayLike<number>, options: BootstrapOptions = {}): [number, number] {
  const { statistic = mean, confidence = 0.95, resamples = 2000, method = "bca", seed = 0 } = options;
  checkNumber("bootstrapInterval", "confidence", confidence, { above: 0, below: 1 });
  checkNumber("bootstrapInterval", "resamples", resamples, { integer: true, min: 100 });
  checkChoice("bootstrapInterval", "method", method, ["bca", "percentile"]);
  const x = Array.from(values);
  if (x.length < 2 || !x.every(Number.isFinite))
    throw new OptionError(`bootstrapInterval: values must be at least two finite numbers, received ${x.length}`);
  const observed = statistic(x);
  const random = new RandomSource(seed);
  const draws = Array.from({ length: resamples }, () =>
    statistic(x.map(() => x[Math.floor(random.next() * x.length)]!)),
  ).sort((a, b) => a - b);
  if (draws[0] === draws.at(-1)) return [observed, observed];
  const quantile = (p: number): number => {
    const position = p * (resamples - 1);
    const from = Math.floor(position);
    return draws[from]! + (position - from) * (draws[Math.min(from + 1, resamples - 1)]! - draws[from]!);
  };
  const ends: [number, number] = [(1 - confidence) / 2, (1 + confidence) / 2];
  if (method === "percentile") return [quantile(ends[0]), quantile(ends[1])];
  const below = draws.filter((d) => d < observed).length + draws.filter((d) => d === observed).length / 2;
  const bias = normalQuantile(Math.min(1 - 0.5 / resamples, Math.max(0.5 / resamples, below / resamples)));
  // Skewness of the statistic, from leaving one value out at a time.
  const jackknife = x.map((_, i) => statistic(x.filter((__, j) => j !== i)));
  const center = mean(jackknife);
  const cubes = jackknife.reduce((sum, v) => sum + (center - v) ** 3, 0);
  const squares = jackknife.reduce((sum, v) => sum + (center - v) ** 2, 0);
  const acceleration = squares === 0 ? 0 : cubes / (6 * squares ** 1.5);
  const at = (p: number): number => {
    const z = bias + normalQuantile(p);
    return quantile(normalCdf(bias + z / (1 - acceleration * z)));
  };
  return [at(ends[0]), at(ends[1])];
}
