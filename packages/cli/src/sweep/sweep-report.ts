import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { lineChart, readJsonLines, type Series } from "@semiseg/training";
import { auditSelection } from "./audit-selection.js";
import { boxPlot } from "./box-plot.js";
import { type ComparisonRow, comparedMetrics } from "./compare-runs.js";
import { cellOf, isBest } from "./comparison-tables.js";
import { escapeHtml } from "./escape-html.js";
import type { ExpandedSweep } from "./expand-sweep.js";
import { pairedPlot } from "./paired-plot.js";
import { publishedCards, readPublished } from "./published.js";

const style = `:root{color-scheme:light dark;--line:#8884;--dim:#888}body{font:15px/1.5 system-ui,sans-serif;max-width:1160px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h2{font-size:1.15rem;margin-top:2.2rem;border-bottom:1px solid var(--line)}.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.84rem;font-variant-numeric:tabular-nums;margin:.6rem 0}
th,td{padding:.2rem .45rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}th:first-child,td:first-child{text-align:left}.note{color:var(--dim)}
.grid-of{display:flex;flex-wrap:wrap;gap:1rem}.chart{margin:0;width:540px;max-width:100%}.chart.square{width:368px}.chart.wide{width:760px}h3{font-size:1rem;margin:1.4rem 0 .2rem}.chart svg{width:100%;font:11px system-ui,sans-serif}.chart text{fill:currentColor}.chart .title{font-size:13px;font-weight:600}
.chart .grid{stroke:var(--line)}.chart .box{fill:#2563eb55;stroke:#2563eb}.chart .dot{fill:#d97706aa}figcaption span{margin-right:1rem;font-size:.85rem}figcaption i{display:inline-block;width:.8em;height:.8em;margin-right:.3em;border-radius:2px}`;

function table(rows: readonly ComparisonRow[]): string {
  const metrics = Object.keys(comparedMetrics);
  const head = [
    "",
    "weights",
    ...metrics.map((m) => (comparedMetrics[m] ? `${m} ↑` : `${m} (mm) ↓`)),
    "runs",
    "min/run",
  ];
  const body = rows.map((row) => [
    row.variant,
    row.selected === "last" ? "last step" : "best on validation",
    ...metrics.map((metric) => {
      const cell = cellOf(
        row.metrics.find((m) => m.metric === metric),
        row.seeds.length,
      );
      return isBest(row, metric, rows) ? `\u0001${cell}` : cell;
    }),
    row.missingRuns > 0 ? `${row.seeds.length} of ${row.seeds.length + row.missingRuns}` : String(row.seeds.length),
    Number.isFinite(row.minutes) ? row.minutes.toFixed(1) : "-",
  ]);
  const line = (cells: readonly string[], tag: string): string =>
    `<tr>${cells.map((cell) => `<${tag}>${cell.startsWith("\u0001") ? `<b>${escapeHtml(cell.slice(1))}</b>` : escapeHtml(cell)}</${tag}>`).join("")}</tr>`;
  return `<div class="scroll"><table>${line(head, "th")}${body.map((cells) => line(cells, "td")).join("")}</table></div>`;
}

/** Mean over the seeds of a number in the step records of a row's runs. */
function curve(
  expanded: ExpandedSweep,
  row: ComparisonRow,
  pick: (record: Readonly<Record<string, unknown>>) => number | undefined,
): Series {
  const sums = new Map<number, { sum: number; count: number }>();
  for (const task of expanded.tasks) {
    if (task.variant !== row.variant || task.labeled !== row.labeled) continue;
    const path = join(task.config.run, "metrics.jsonl");
    if (!existsSync(path)) continue;
    for (const record of readJsonLines(path) as Readonly<Record<string, unknown>>[]) {
      const value = pick(record);
      if (value === undefined || !Number.isFinite(value)) continue;
      const step = Number(record["step"]);
      const at = sums.get(step) ?? { sum: 0, count: 0 };
      sums.set(step, { sum: at.sum + value, count: at.count + 1 });
    }
  }
  const points = [...sums].sort(([a], [b]) => a - b).map(([step, { sum, count }]) => [step, sum / count] as const);
  return { name: row.variant, points };
}

type TermRecord = Readonly<Record<string, { readonly weighted: number; readonly gradientNorm?: number }>>;

/** Gradient norm of each term of a row, weighted; empty where runs did not log it (`gradientNorms: true`). */
function termGradients(expanded: ExpandedSweep, row: ComparisonRow): Series[] {
  const names = new Set<string>();
  const norms = (record: Readonly<Record<string, unknown>>): TermRecord =>
    record["kind"] === "step" ? (record["terms"] as TermRecord) : {};
  curve(expanded, row, (record) => {
    for (const [name, { gradientNorm }] of Object.entries(norms(record)))
      if (gradientNorm !== undefined) names.add(name);
    return undefined;
  });
  return [...names].map((name) => ({
    ...curve(expanded, row, (record) => norms(record)[name]?.gradientNorm),
    name,
  }));
}

/** What choosing on the test cases would have added, as a table. */
function auditTable(expanded: ExpandedSweep, labeled: "all" | number): string {
  const audits = auditSelection(expanded).filter((a) => a.labeled === labeled);
  const number = (value: number): string => (Number.isFinite(value) ? value.toFixed(3) : "-");
  const rows = audits.map((a) => [
    a.variant,
    number(a.last),
    number(a.best),
    number(a.onTest),
    `+${number(a.inflation)}`,
    String(a.candidates),
  ]);
  const head = ["test Dice", "last step", "best on validation", "best on test", "inflation", "models to choose from"];
  const line = (cells: readonly string[], tag: string): string =>
    `<tr>${cells.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join("")}</tr>`;
  return `<h3>Audit: what choosing the weights on the test cases would have added</h3>
<div class="scroll"><table>${line(head, "th")}${rows.map((cells) => line(cells, "td")).join("")}</table></div>`;
}

/** Published results of the same protocol, as a table; says so where there are none. */
function publishedSection(expanded: ExpandedSweep, rows: readonly ComparisonRow[]): string {
  const { file, sweep } = expanded;
  if (sweep.published === undefined) return "";
  const cards = publishedCards(expanded, rows, readPublished(resolve(dirname(file), sweep.published)));
  if (cards.length === 0)
    return `<h2>Published results</h2><p class="note">None of the published protocols is that of this sweep, so that no number is put beside these.</p>`;
  const number = (value: number): string => (Number.isFinite(value) ? value.toFixed(2) : "-");
  const head = ["", "protocol", "published Dice, %", "ours, last step", "ours, best on validation", "sources"];
  const body = cards.map((c) => [
    c.variant,
    c.protocol,
    c.range[0] === c.range[1] ? number(c.range[0]) : `${number(c.range[0])} to ${number(c.range[1])}`,
    number(c.last),
    number(c.best),
    c.sources.join("; "),
  ]);
  const line = (cells: readonly string[], tag: string): string =>
    `<tr>${cells.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join("")}</tr>`;
  return `<h2>Published results</h2><p class="note">Of the same data set, labelled cases, test cases and patch; where sources disagree, their range.</p>
<div class="scroll"><table>${line(head, "th")}${body.map((cells) => line(cells, "td")).join("")}</table></div>`;
}

/** Share of each term in a row's loss, mean over its runs. */
function termShares(expanded: ExpandedSweep, row: ComparisonRow): Series[] {
  const names = new Set<string>();
  const terms = (record: Readonly<Record<string, unknown>>) =>
    record["kind"] === "step" ? (record["terms"] as Readonly<Record<string, { weighted: number }>>) : {};
  curve(expanded, row, (record) => {
    for (const name of Object.keys(terms(record))) names.add(name);
    return undefined;
  });
  return [...names].map((name) => ({
    ...curve(expanded, row, (record) => {
      const all = terms(record);
      const total = Object.values(all).reduce((sum, t) => sum + Math.abs(t.weighted), 0);
      return all[name] && total > 0 ? Math.abs(all[name].weighted) / total : undefined;
    }),
    name,
  }));
}

/** A row's values beside the baseline's, by case. */
function pairsOf(row: ComparisonRow, base: ComparisonRow | undefined, metric: string): (readonly [number, number])[] {
  const of = (r: ComparisonRow | undefined): Map<string, number> =>
    new Map((r?.metrics.find((m) => m.metric === metric)?.perCase ?? []).map((v, i) => [r!.cases[i]!, v]));
  const [own, reference] = [of(row), of(base)];
  return [...own].map(([id, value]) => [reference.get(id) ?? Number.NaN, value]);
}

/** One self-contained page: tables, distributions over cases, differences to the baseline, learning curves. */
export function sweepReport(expanded: ExpandedSweep, rows: readonly ComparisonRow[]): string {
  const budgets = [...new Set(rows.map(({ labeled }) => labeled))];
  const sections = budgets.map((labeled) => {
    const own = rows.filter((row) => row.labeled === labeled);
    const last = own.filter((row) => row.selected === "last");
    const values = (metric: string) =>
      last.map((row) => ({ name: row.variant, values: row.metrics.find((m) => m.metric === metric)?.perCase ?? [] }));
    const base = last.find((row) => row.variant === expanded.baseline);
    const differences = (metric: string) =>
      last
        .filter((row) => row !== base)
        .map((row) => ({ name: row.variant, values: pairsOf(row, base, metric).map(([b, v]) => v - b) }));
    const validation = last.map((row) =>
      curve(expanded, row, (r) => (r["kind"] === "validation" ? validationScore(r) : undefined)),
    );
    const shareOf = (key: "precision" | "recall") =>
      last.map((row) => curve(expanded, row, (r) => pseudoLabelShare(r, key)));
    const loss = last.map((row) => curve(expanded, row, (r) => (r["kind"] === "step" ? Number(r["loss"]) : undefined)));
    return `<h2>${labeled === "all" ? "All training cases labelled" : `${labeled} labelled training cases`}</h2>
${table(own)}
<div class="grid-of">${boxPlot("Dice per test case (mean over seeds)", values("dice"))}${boxPlot("HD95 per test case, mm", values("hd95"))}
${boxPlot(`Dice minus ${expanded.baseline}, per case`, differences("dice"), { zero: true })}${boxPlot(`HD95 minus ${expanded.baseline}, per case, mm`, differences("hd95"), { zero: true })}
${lineChart({ title: "Loss (mean over seeds)", series: loss })}${lineChart({ title: "Validation Dice (mean over seeds)", series: validation, dots: true })}
${lineChart({ title: "Precision of labels given to unlabelled cases", series: shareOf("precision"), dots: true })}${lineChart({ title: "Recall of labels given to unlabelled cases", series: shareOf("recall"), dots: true })}
${last
  .filter((row) => row !== base)
  .map((row) =>
    pairedPlot(`${row.variant}: Dice of the same test case`, expanded.baseline, {
      name: row.variant,
      pairs: pairsOf(row, base, "dice"),
    }),
  )
  .join("\n")}
${last.map((row) => lineChart({ title: `${row.variant}: share of each term in the loss`, series: termShares(expanded, row) })).join("\n")}
${last.map((row) => lineChart({ title: `${row.variant}: gradient norm of each weighted term`, series: termGradients(expanded, row) })).join("\n")}</div>
${auditTable(expanded, labeled)}`;
  });
  const cases = rows[0]?.cases.length ?? 0;
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${escapeHtml(expanded.file)}</title><style>${style}</style>
<h1>${escapeHtml(expanded.file.split("/").at(-1)!)}</h1>
<p class="note">${cases} test cases; mean over foreground classes, then over cases; ± is the standard deviation over seeds. p: two-sided Wilcoxon signed-rank test over cases (each averaged over seeds) against <b>${escapeHtml(expanded.baseline)}</b>, Holm-corrected over the rows; n.s.: p of 0.05 or more. Weights are the last step's, or those best on the validation cases; the test cases were never used to choose. <b>Bold</b>: best of its rows and significantly so, with at least 3 seeds each. Curves are means over seeds; smoothed to 400 points. Labels given to unlabelled cases are the teacher's, or else the student's, measured against hidden ones that training never sees. ↑ higher is better, ↓ lower.</p>
${sections.join("\n")}
${publishedSection(expanded, rows)}</html>
`;
}

/** Precision or recall in a pseudo-label record, of the network that gives the labels: the teacher where there is one. */
function pseudoLabelShare(record: Readonly<Record<string, unknown>>, key: "precision" | "recall"): number | undefined {
  if (record["kind"] !== "pseudo-labels") return undefined;
  const { teacher, student } = record[key] as { readonly teacher?: number; readonly student?: number };
  return teacher ?? student;
}

/** Mean foreground Dice of the student in a validation record. */
function validationScore(record: Readonly<Record<string, unknown>>): number | undefined {
  return (record["dice"] as { readonly student?: number } | undefined)?.student;
}
