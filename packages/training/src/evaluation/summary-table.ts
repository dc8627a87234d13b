import { type Evaluation, modelName } from "./evaluation.js";

/** `0.912 ± 0.030`, or a dash when there is no value. */
export function meanAndDeviation(mean: number, sd: number): string {
  if (!Number.isFinite(mean)) return Number.isNaN(mean) ? "-" : String(mean);
  const digits = Math.abs(mean) < 10 ? 3 : 2;
  return Number.isFinite(sd) ? `${mean.toFixed(digits)} ± ${sd.toFixed(digits)}` : mean.toFixed(digits);
}

/** A plain-text table of the foreground means: one line per model, one column per metric. */
export function summaryTable(evaluations: readonly Evaluation[]): string {
  const lines = evaluations.map(({ model, part, summary, cases }) => {
    const means = summary.filter((row) => row.class === "mean");
    return { name: `${part} (${cases.length} cases): ${modelName(model)}`, means };
  });
  const metrics = [...new Set(lines.flatMap(({ means }) => means.map((row) => row.metric)))];
  const unit = (metric: string): string => lines.flatMap(({ means }) => means).find((r) => r.metric === metric)!.unit;
  const head = ["", ...metrics.map((metric) => (unit(metric) ? `${metric} (${unit(metric)})` : metric)), "missed"];
  const body = lines.map(({ name, means }) => [
    name,
    ...metrics.map((metric) => {
      const row = means.find((item) => item.metric === metric);
      return row ? meanAndDeviation(row.mean, row.sd) : "-";
    }),
    String(Math.max(0, ...means.map((row) => row.missed))),
  ]);
  const widths = head.map((_, column) => Math.max(...[head, ...body].map((line) => line[column]!.length)));
  return [head, ...body]
    .map((line) =>
      line
        .map((text, column) => text.padEnd(widths[column]!))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
