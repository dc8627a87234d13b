import type { CaseEvaluation, SummaryRow } from "./evaluation.js";

function moments(values: readonly number[]): { mean: number; sd: number; count: number } {
  const known = values.filter((value) => !Number.isNaN(value));
  const count = known.length;
  const mean = count > 0 ? known.reduce((sum, value) => sum + value, 0) / count : Number.NaN;
  const squares = known.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, sd: count > 1 ? Math.sqrt(squares / (count - 1)) : Number.NaN, count };
}

/**
 * Mean and sample standard deviation over cases, per metric, for each foreground class and for their mean (per case
 * first, over the classes that have a value). NaN is left out and shows in `count`; `missed` counts cases beside every
 * mean.
 */
export function summarize(cases: readonly CaseEvaluation[]): SummaryRow[] {
  const rows = cases.flatMap((item) => item.rows).filter((row) => row.class > 0);
  const metrics = [...new Map(rows.map((row) => [row.metric, row.unit]))];
  const classes = [...new Set(rows.map((row) => row.class))].sort((a, b) => a - b);
  return metrics.flatMap(([metric, unit]) => {
    const of = (item: CaseEvaluation, c: number): CaseEvaluation["rows"] =>
      item.rows.filter((row) => row.metric === metric && row.class === c);
    const perClass = classes.map((c): SummaryRow => {
      const found = cases.flatMap((item) => of(item, c));
      const missed = found.filter((row) => row.missed).length;
      return { class: c, metric, unit, ...moments(found.map((row) => row.value)), cases: found.length, missed };
    });
    const means = cases.map((item) => moments(classes.flatMap((c) => of(item, c).map((row) => row.value))).mean);
    const missed = cases.filter((item) => classes.some((c) => of(item, c).some((row) => row.missed))).length;
    const mean: SummaryRow = { class: "mean", metric, unit, ...moments(means), cases: cases.length, missed };
    return [mean, ...perClass];
  });
}
