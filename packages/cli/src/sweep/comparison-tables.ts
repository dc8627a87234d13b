import { type Comparison, type ComparisonRow, comparedMetrics } from "./compare-runs.js";

const digits = (metric: string): number => (metric === "dice" || metric === "jaccard" ? 3 : 2);

/** `0.777 ± 0.007 (p 0.012)`; `n.s.` where the difference may be chance, `1 seed` where nothing can be said. */
export function cellOf(c: Comparison | undefined, seeds: number): string {
  if (!c || !Number.isFinite(c.mean)) return "-";
  const d = digits(c.metric);
  const spread = Number.isFinite(c.sdOverSeeds) ? ` ± ${c.sdOverSeeds.toFixed(d)}` : "";
  const p = c.pValue;
  const test = p === null ? "" : p >= 0.05 ? " (n.s.)" : ` (p ${p < 0.001 ? "< 0.001" : p.toFixed(3)})`;
  const few = seeds < 3 ? ` [${seeds} seed${seeds === 1 ? "" : "s"}]` : "";
  const missing = c.missing > 0 ? ` {${c.missing} missed}` : "";
  return `${c.mean.toFixed(d)}${spread}${test}${few}${missing}`;
}

/**
 * Whether a cell may be set in bold: the best mean of its label budget and weights, with at least 3 seeds in every row,
 * and, unless it is the baseline's own, a difference to the baseline that is significant.
 */
export function isBest(row: ComparisonRow, metric: string, rows: readonly ComparisonRow[]): boolean {
  const group = rows.filter(({ labeled, selected }) => labeled === row.labeled && selected === row.selected);
  if (group.length < 2 || group.some(({ seeds }) => seeds.length < 3)) return false;
  const own = row.metrics.find((m) => m.metric === metric);
  if (!own || !Number.isFinite(own.mean)) return false;
  const others = group.flatMap(({ metrics }) => metrics.filter((m) => m.metric === metric && m !== own));
  const sign = comparedMetrics[metric] === false ? -1 : 1;
  const first = others.every(({ mean }) => !(sign * mean >= sign * own.mean));
  const rivals = others.filter(({ pValue }) => pValue !== null);
  // The baseline has no p value of its own: it is bold where every other row is significantly worse.
  if (own.pValue === null) return first && rivals.length === others.length && rivals.every((m) => m.pValue! < 0.05);
  return first && own.pValue < 0.05;
}

const label = (row: ComparisonRow): string[] => [
  row.variant,
  String(row.labeled),
  row.selected === "last" ? "last" : "best on validation",
];

function grid(rows: readonly ComparisonRow[], bold = (text: string): string => text): string[][] {
  const metrics = [...new Set(rows.flatMap((row) => row.metrics.map(({ metric }) => metric)))];
  const units = (metric: string): string =>
    rows.flatMap((row) => row.metrics).find((m) => m.metric === metric)?.unit ?? "";
  const head = ["variant", "labelled", "weights", ...metrics.map((m) => (units(m) ? `${m} (${units(m)})` : m)), "min"];
  const body = rows.map((row) => [
    ...label(row),
    ...metrics.map((metric) => {
      const cell = cellOf(
        row.metrics.find((m) => m.metric === metric),
        row.seeds.length,
      );
      return isBest(row, metric, rows) ? bold(cell) : cell;
    }),
    Number.isFinite(row.minutes) ? row.minutes.toFixed(1) : "-",
  ]);
  return [head, ...body];
}

/** Plain text with aligned columns. */
export function textTable(rows: readonly ComparisonRow[]): string {
  const lines = grid(rows);
  const widths = lines[0]!.map((_, i) => Math.max(...lines.map((line) => line[i]!.length)));
  return lines
    .map((line) =>
      line
        .map((text, i) => text.padEnd(widths[i]!))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** GitHub Markdown. */
export function markdownTable(rows: readonly ComparisonRow[]): string {
  const [head, ...body] = grid(rows, (text) => `**${text}**`) as [string[], ...string[][]];
  return [head, head.map(() => "---"), ...body].map((line) => `| ${line.join(" | ")} |`).join("\n");
}

/** LaTeX with booktabs; bold as {@link isBest} allows. */
export function latexTable(rows: readonly ComparisonRow[]): string {
  const latex = (text: string): string =>
    text
      .replaceAll("\\", "\\textbackslash ")
      .replaceAll(/[&%$#_{}]/g, (c) => `\\${c}`)
      .replaceAll("±", "$\\pm$")
      .replaceAll("<", "$<$");
  const [head, ...body] = grid(rows, (text) => `\u0001${text}`) as [string[], ...string[][]];
  const cell = (text: string): string =>
    text.startsWith("\u0001") ? `\\textbf{${latex(text.slice(1))}}` : latex(text);
  const line = (cells: readonly string[]): string => `${cells.map(cell).join(" & ")} \\\\`;
  return [
    `\\begin{tabular}{lll${"r".repeat(head.length - 3)}}`,
    "\\toprule",
    line(head),
    "\\midrule",
    ...body.map(line),
    "\\bottomrule",
    "\\end{tabular}",
  ].join("\n");
}

/** One line per row and metric, numbers unrounded. */
export function comparisonCsv(rows: readonly ComparisonRow[]): string {
  const head =
    "variant,labeled,selected,seeds,metric,unit,mean,sd_over_seeds,sd_over_cases,low,high,difference,p_holm,missing";
  const text = (value: unknown): string => (value === null || value === undefined ? "" : String(value));
  return [
    head,
    ...rows.flatMap((row) =>
      row.metrics.map((m) =>
        [
          row.variant.includes(",") ? `"${row.variant}"` : row.variant,
          row.labeled,
          row.selected,
          row.seeds.length,
          m.metric,
          m.unit,
          m.mean,
          m.sdOverSeeds,
          m.sdOverCases,
          m.interval?.[0],
          m.interval?.[1],
          m.difference,
          m.pValue,
          m.missing,
        ]
          .map(text)
          .join(","),
      ),
    ),
  ].join("\n");
}
