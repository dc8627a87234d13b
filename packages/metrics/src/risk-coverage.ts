import { checkNumber } from "@semiseg/errors";
import { checkUncertainty, type UncertaintyArguments } from "./probability-input.js";
import { tiedGroups } from "./tied-groups.js";

/** Arguments of {@link riskCoverage}. */
export interface RiskCoverageArguments extends UncertaintyArguments {
  /** Points of the returned curve, evenly spaced in coverage. Default 100. */
  readonly points?: number;
}

/** Result of {@link riskCoverage}. */
export interface RiskCoverage {
  /** Share of voxels kept, the surest first: `1 / points` to 1. */
  readonly coverage: Float64Array;
  /** Error rate among the kept. */
  readonly risk: Float64Array;
  /** Area under the curve over all voxels (AURC): the mean risk of keeping the surest k voxels, k from 1 to all. */
  readonly area: number;
}

/**
 * Risk-coverage curve: the error rate among the voxels one is surest of, against how many one keeps. Equally sure voxels
 * share their errors, so their order does not matter.
 *
 * @throws ShapeError, OptionError or DataError naming the argument.
 * @see Geifman and El-Yaniv, "Selective classification for deep neural networks", NeurIPS 2017.
 */
export function riskCoverage(args: RiskCoverageArguments): RiskCoverage {
  const { yTrue, yPred, uncertainty, points = 100 } = args;
  checkNumber("riskCoverage", "points", points, { integer: true, min: 1 });
  checkUncertainty("riskCoverage", args);
  const n = uncertainty.length;
  const coverage = Float64Array.from({ length: points }, (_, i) => (i + 1) / points);
  const risk = new Float64Array(points);
  let [kept, errors, area, point] = [0, 0, 0, 0];
  for (const { count, hits } of tiedGroups(uncertainty, (i) => yTrue[i] !== yPred[i])) {
    const rate = hits / count;
    for (let k = 1; k <= count; k++) area += (errors + rate * k) / (kept + k);
    for (; point < points && (coverage[point]! * n <= kept + count || kept + count === n); point++) {
      const k = Math.max(0, coverage[point]! * n - kept);
      risk[point] = (errors + rate * k) / (coverage[point]! * n);
    }
    kept += count;
    errors += hits;
  }
  return { coverage, risk, area: area / n };
}
