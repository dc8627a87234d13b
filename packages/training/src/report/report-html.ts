import { type Evaluation, type MetricRow, modelName } from "../evaluation/evaluation.js";
import { meanAndDeviation } from "../evaluation/summary-table.js";
import { escapeHtml } from "./escape-html.js";
import { lineChart, type Series } from "./line-chart.js";

/** A picture for the report. */
export interface ReportSlice {
  readonly png: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly caption: string;
}

/** What {@link reportHtml} shows. */
export interface ReportContent {
  readonly title: string;
  /** Records of the run's metrics log. */
  readonly records: readonly Readonly<Record<string, unknown>>[];
  readonly evaluations: readonly Evaluation[];
  readonly slices: readonly ReportSlice[];
  /** One sentence: what the weights were selected on. */
  readonly selection: string;
  /** Facts shown as a list: engine, seed, duration. */
  readonly facts?: Readonly<Record<string, string | number>>;
  /** Shown as JSON. */
  readonly config?: unknown;
  /** The split manifest; its ids and counts are shown. */
  readonly split?: unknown;
}

const style = `:root{color-scheme:light dark;--line:#8884;--dim:#888}body{font:15px/1.5 system-ui,sans-serif;max-width:1120px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h2{font-size:1.15rem;margin-top:2.2rem;border-bottom:1px solid var(--line)}table{border-collapse:collapse;font-variant-numeric:tabular-nums;margin:.6rem 0}
th,td{padding:.2rem .7rem;text-align:right;border-bottom:1px solid var(--line)}th:first-child,td:first-child{text-align:left}.missed{color:#dc2626}.note{color:var(--dim)}
.grid-of{display:flex;flex-wrap:wrap;gap:1rem}.chart{margin:0;width:520px;max-width:100%}.chart svg{width:100%;font:11px system-ui,sans-serif}.chart text{fill:currentColor}.chart .title{font-size:13px;font-weight:600}
.chart .grid{stroke:var(--line)}figcaption span{margin-right:1rem;font-size:.85rem}figcaption i{display:inline-block;width:.8em;height:.8em;margin-right:.3em;border-radius:2px}
.slice{margin:0}.slice img{image-rendering:pixelated;background:#000;display:block}.slice figcaption{font-size:.85rem;max-width:320px}pre{overflow:auto;background:#8881;padding:.8rem;font-size:.8rem}details{margin:.6rem 0}`;

const numberOf = (value: unknown): number => (typeof value === "number" ? value : Number.NaN);

/** Curves per step for everything numeric that `pick` finds in the step records. */
function curves(
  records: ReportContent["records"],
  pick: (record: Readonly<Record<string, unknown>>) => Readonly<Record<string, number>>,
): Series[] {
  const series = new Map<string, [number, number][]>();
  for (const record of records)
    for (const [name, value] of Object.entries(pick(record))) {
      if (!series.has(name)) series.set(name, []);
      series.get(name)!.push([numberOf(record["step"]), value]);
    }
  return [...series].map(([name, points]) => ({ name, points }));
}

type TermRecord = Readonly<
  Record<string, { readonly value: number; readonly weight: number; readonly weighted: number }>
>;

function charts(records: ReportContent["records"]): string {
  const steps = records.filter((record) => record["kind"] === "step");
  const validations = records.filter((record) => record["kind"] === "validation");
  const pseudoLabels = records.filter((record) => record["kind"] === "pseudo-labels");
  const ofTerms = (key: "value" | "weighted" | "weight"): Series[] =>
    curves(steps, ({ terms }) =>
      Object.fromEntries(Object.entries((terms ?? {}) as TermRecord).map(([name, term]) => [name, term[key]])),
    );
  const logged = curves(steps, ({ log }) => (log ?? {}) as Record<string, number>);
  return [
    lineChart({ title: "Loss", series: curves(steps, ({ loss }) => ({ total: numberOf(loss) })) }),
    lineChart({ title: "Terms, weighted", series: ofTerms("weighted") }),
    lineChart({ title: "Terms, before their weights", series: ofTerms("value") }),
    lineChart({ title: "Weights", series: ofTerms("weight") }),
    lineChart({
      title: "Validation, mean foreground Dice",
      series: curves(validations, ({ dice }) => (dice ?? {}) as Record<string, number>),
      dots: true,
    }),
    lineChart({
      title: "Labels given to unlabelled cases, against the hidden ones",
      series: curves(pseudoLabels, ({ precision, recall }) =>
        Object.fromEntries(
          Object.entries({ precision, recall }).flatMap(([share, networks]) =>
            Object.entries((networks ?? {}) as Record<string, number>).map(([name, value]) => [
              `${name}: ${share}`,
              value,
            ]),
          ),
        ),
      ),
      dots: true,
    }),
    lineChart({
      title: "Gradient norm",
      series: curves(steps, ({ gradientNorm }) =>
        gradientNorm === undefined ? ({} as Record<string, number>) : { total: numberOf(gradientNorm) },
      ),
    }),
    lineChart({ title: "Learning rate", series: curves(steps, ({ lr }) => ({ lr: numberOf(lr) })) }),
    ...logged.map((series) => lineChart({ title: series.name, series: [series] })),
  ].join("\n");
}

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  `<table><thead><tr>${head.map((text) => `<th>${text}</th>`).join("")}</tr></thead><tbody>${rows
    .map((row) => `<tr>${row.map((text) => `<td>${text}</td>`).join("")}</tr>`)
    .join("")}</tbody></table>`;

function summary({ classNames, summary, model, part, cases, dialect, empty }: Evaluation): string {
  const metrics = [...new Map(summary.map((row) => [row.metric, row.unit]))];
  const classes = [...new Set(summary.map((row) => row.class))];
  const rows = classes.map((c) => [
    c === "mean" ? "<b>mean of classes</b>" : escapeHtml(classNames[c] ?? String(c)),
    ...metrics.map(([metric]) => {
      const row = summary.find((item) => item.class === c && item.metric === metric);
      if (!row) return "-";
      const missed = row.missed > 0 ? ` <span class="missed">${row.missed} missed</span>` : "";
      const known = row.count < row.cases ? ` <span class="note">(${row.count} of ${row.cases})</span>` : "";
      return meanAndDeviation(row.mean, row.sd) + known + missed;
    }),
  ]);
  const head = ["class", ...metrics.map(([metric, unit]) => escapeHtml(unit ? `${metric} (${unit})` : metric))];
  return `<h3>${escapeHtml(part)}: ${escapeHtml(modelName(model))}</h3>${table(head, rows)}
<p class="note">Mean ± standard deviation over ${cases.length} cases; distances by ${escapeHtml(dialect)}'s rules, empty masks: '${escapeHtml(empty)}'.</p>`;
}

function perCase({ cases, classNames, model, part }: Evaluation): string {
  const columns = [
    ...new Map(
      cases
        .flatMap(({ rows }) => rows.filter((row) => row.class > 0))
        .map((row) => [`${row.metric} ${row.class}`, row]),
    ).values(),
  ].sort((a, b) => a.class - b.class);
  const value = (row: MetricRow | undefined): string =>
    row === undefined
      ? ""
      : `<span${row.missed ? ' class="missed"' : ""}>${meanAndDeviation(row.value, Number.NaN)}</span>`;
  const rows = cases.map(({ id, rows }) => [
    escapeHtml(id),
    ...columns.map((column) => value(rows.find((r) => r.metric === column.metric && r.class === column.class))),
  ]);
  const head = ["case", ...columns.map((c) => escapeHtml(`${classNames[c.class] ?? c.class}: ${c.metric} ${c.unit}`))];
  return `<details><summary>${escapeHtml(part)}, per case: ${escapeHtml(modelName(model))}</summary>${table(head, rows)}</details>`;
}

/** A self-contained HTML page: no script, no network, pictures inside. */
export function reportHtml(content: ReportContent): string {
  const { title, records, evaluations, slices, selection, facts = {}, config, split } = content;
  const json = (name: string, value: unknown): string =>
    value === undefined
      ? ""
      : `<details><summary>${name}</summary><pre>${escapeHtml(JSON.stringify(value, null, 1))}</pre></details>`;
  const pictures = slices
    .map(
      ({ png, width, height, caption }) =>
        `<figure class="slice"><img width="${width}" height="${height}" alt="${escapeHtml(caption)}" src="data:image/png;base64,${Buffer.from(png).toString("base64")}"><figcaption>${escapeHtml(caption)}</figcaption></figure>`,
    )
    .join("\n");
  const list = Object.entries(facts).map(([name, value]) => [escapeHtml(name), escapeHtml(String(value))]);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeHtml(title)}</title><style>${style}</style></head>
<body><h1>${escapeHtml(title)}</h1><p><b>Selection.</b> ${escapeHtml(selection)}</p>
${list.length > 0 ? table(["", ""], list) : ""}
<h2>Results</h2>${evaluations.length > 0 ? evaluations.map(summary).join("\n") : '<p class="note">Not evaluated yet.</p>'}
${evaluations.map(perCase).join("\n")}
${pictures ? `<h2>Slices</h2><p class="note">Truth: green to blue. Prediction: red to yellow, one pixel further inside.</p><div class="grid-of">${pictures}</div>` : ""}
<h2>Training</h2><div class="grid-of">${charts(records)}</div>
<h2>Protocol</h2>${json("Configuration", config)}${json("Split", split)}
</body></html>
`;
}
