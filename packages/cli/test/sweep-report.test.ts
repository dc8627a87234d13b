import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { RandomSource } from "@semiseg/random";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exitCodes, main } from "../src/index.js";
import { auditSelection } from "../src/sweep/audit-selection.js";
import { type ComparisonRow, compareRuns } from "../src/sweep/compare-runs.js";
import { latexTable, markdownTable } from "../src/sweep/comparison-tables.js";
import { type ExpandedSweep, expandSweep } from "../src/sweep/expand-sweep.js";
import { publishedCards, readPublished } from "../src/sweep/published.js";
import { sweepReport } from "../src/sweep/sweep-report.js";

let folder = "";
let expanded: ExpandedSweep;

/** Test Dice of a case: `better` is clearly above the baseline, `alike` is not. */
const level: Readonly<Record<string, number>> = { supervised: 0.7, better: 0.8, alike: 0.702 };

/** Runs of known values, as training and evaluation would have left them. */
function writeRuns({ tasks }: ExpandedSweep): void {
  for (const task of tasks) {
    const random = new RandomSource(task.seed).fork(task.variant);
    mkdirSync(task.config.run, { recursive: true });
    const cases = (shift: number) =>
      Array.from({ length: 14 }, (_, i) => {
        const dice = level[task.variant]! + shift + 0.01 * (i % 7) + 0.004 * random.next();
        const row = (metric: string, value: number, unit: string) => ({ class: "organ", metric, value, unit });
        return { id: `case-${i}`, rows: [row("dice", dice, ""), row("hd95", 10 * (1 - dice), "mm")] };
      });
    const models = [
      ["student", "last", 0],
      ["student", "best", 0.01],
      ["teacher", "last", 0.03],
    ] as const;
    writeFileSync(
      join(task.config.run, "evaluation.json"),
      JSON.stringify(
        models.map(([network, selected, shift]) => ({
          part: "test",
          model: { network, selected },
          cases: cases(shift),
        })),
      ),
    );
    const steps = Array.from({ length: 60 }, (_, step) => ({
      kind: "step",
      step,
      loss: Math.exp(-step / 20) + 0.1 * random.next(),
      stepsPerSecond: 2,
      terms: {
        supervised: { value: 1, weight: 1, weighted: 1, gradientNorm: 2 * Math.exp(-step / 30) },
        consistency: { value: 1, weight: 0.1, weighted: step / 200, gradientNorm: step / 100 },
      },
    }));
    const validation = [20, 40, 60].map((step) => ({ kind: "validation", step, dice: { student: 0.5 + step / 300 } }));
    const hidden = [20, 40, 60].map((step) => ({
      kind: "pseudo-labels",
      step,
      precision: { student: 0, teacher: 0.6 + step / 300 },
      recall: { student: 0, teacher: 0.5 },
    }));
    writeFileSync(
      join(task.config.run, "metrics.jsonl"),
      [...steps, ...validation, ...hidden].map((line) => `${JSON.stringify(line)}\n`).join(""),
    );
  }
}

beforeAll(() => {
  folder = process.env["SEMISEG_KEEP_REPORT"] ?? mkdtempSync(join(tmpdir(), "semiseg-report-"));
  writeFileSync(
    join(folder, "base.yaml"),
    "method: { name: mean-teacher }\ndata: { kind: phantom, patchSize: [16, 16], labeled: 3 }\nmaxSteps: 60\nrun: unused\n",
  );
  writeFileSync(
    join(folder, "sweep.yaml"),
    `base: base.yaml\nout: ${join(folder, "sweep")}\nvariants:\n  supervised: { seed: 0 }\n  better: { optimizer: { learningRate: 0.1 } }\n  alike: { optimizer: { learningRate: 0.2 } }\nseeds: [1, 2, 3]\nlabeled: [3, 10]\n`,
  );
  expanded = expandSweep(join(folder, "sweep.yaml"));
  writeRuns(expanded);
});
afterAll(() => {
  if (process.env["SEMISEG_KEEP_REPORT"] === undefined) rmSync(folder, { recursive: true, force: true });
});

const find = (rows: readonly ComparisonRow[], variant: string, selected = "last") =>
  rows.find((row) => row.variant === variant && row.selected === selected && row.labeled === 3)!;

describe("tables of a sweep", () => {
  it("show last and best, and say n.s. where a difference may be chance", () => {
    const rows = compareRuns(expanded);
    expect(find(rows, "better").metrics[0]!.mean).toBeCloseTo(0.832, 2);
    expect(find(rows, "better", "best").metrics[0]!.mean).toBeCloseTo(0.842, 2);
    expect(find(rows, "better").metrics[0]!.pValue).toBeLessThan(0.01);
    const lines = markdownTable(rows).split("\n");
    const line = (variant: string) => lines.find((text) => text.startsWith(`| ${variant} | 3 | last `))!;
    expect(line("better")).toMatch(/\*\*0\.8\d\d ± 0\.\d{3} \(p .*\)\*\*/);
    expect(line("supervised")).not.toContain("**");
  });

  it("set nothing in bold where a row has fewer than 3 seeds, or the best is not significantly so", () => {
    const rows = compareRuns(expanded);
    const few = rows.map((row) => (row.variant === "alike" ? { ...row, seeds: [1, 2] } : row));
    expect(markdownTable(few)).not.toContain("**");
    expect(latexTable(few)).not.toContain("textbf");
    expect(latexTable(rows)).toContain("\\textbf{0.8");
    const chance = rows.map((row) => ({
      ...row,
      metrics: row.metrics.map((m) => ({ ...m, pValue: m.pValue && 0.4 })),
    }));
    expect(markdownTable(chance)).not.toContain("**");
    expect(markdownTable(chance)).toContain("(n.s.)");
  });

  it("audit what choosing the weights on the test cases would have added", async () => {
    const audit = auditSelection(expanded).find((a) => a.variant === "better" && a.labeled === 3)!;
    expect(audit).toMatchObject({ runs: 3, candidates: 3 });
    expect(audit.onTest - audit.last).toBeCloseTo(0.03, 2);
    expect(audit.inflation).toBeCloseTo(audit.onTest - audit.best, 10);
    const printed: string[] = [];
    const streams = { out: (text: string) => void printed.push(text), error: () => {} };
    expect(await main(["ablate", join(folder, "sweep.yaml"), "--audit"], streams)).toBe(exitCodes.done);
    expect(printed.join("")).toMatch(
      /better, 3 labelled: last 0\.8\d+, best on validation 0\.8\d+, best of 3 on test 0\.8\d+: \+0\.0/,
    );
  });
});

describe("published results", () => {
  const file = fileURLToPath(new URL("../../../benchmarks/published.yaml", import.meta.url));

  it("are read with their protocols, and faults are shown at their line", () => {
    const { protocols, rows } = readPublished(file);
    expect(protocols["la-8"]).toMatchObject({ dataset: "la", labeled: 8, test: 20 });
    // Sources disagree by 15 points about one method and budget.
    const uaMt = rows.filter((r) => r.protocol === "acdc-3" && r.method === "ua-mt").map((r) => r.dice);
    expect(uaMt).toEqual([61, 46.04]);
    const wrong = join(folder, "published.yaml");
    writeFileSync(wrong, "protocols: {}\nrows:\n  - { protocol: la-8, method: dtc, source: x }\n");
    expect(() => readPublished(wrong)).toThrow(/published\.yaml:3:7: rows\.0\.protocol: must be one of/);
  });

  it("stand beside rows of the same protocol only", () => {
    const rows = compareRuns(expanded);
    const published = (protocol: object) => ({
      protocols: {
        mine: {
          dataset: "phantom",
          labeled: 3,
          labeledOrder: "random" as const,
          test: 14,
          patchSize: [16, 16],
          ...protocol,
        },
      },
      rows: [
        { protocol: "mine", method: "mean-teacher", dice: 80, source: "a" },
        { protocol: "mine", method: "mean-teacher", dice: 84.5, source: "b", note: "chosen on test" },
        { protocol: "mine", method: "other", dice: 99, source: "c" },
      ],
    });
    const cards = publishedCards(expanded, rows, published({}));
    expect(cards.map(({ variant }) => variant)).toEqual(["supervised", "better", "alike"]);
    expect(cards[1]).toMatchObject({ range: [80, 84.5], sources: ["a: 80", "b: 84.5 (chosen on test)"] });
    expect(cards[1]!.last).toBeCloseTo(83.2, 0);
    for (const other of [
      { dataset: "la" },
      { labeled: 8 },
      { labeledOrder: "listed" },
      { test: 20 },
      { patchSize: [96, 96] },
    ])
      expect(publishedCards(expanded, rows, published(other))).toEqual([]);
    const page = sweepReport({ ...expanded, sweep: { ...expanded.sweep, published: file } }, rows);
    expect(page).toContain("None of the published protocols is that of this sweep");
  });
});

describe("report of a sweep", () => {
  it("is one page with tables, box and paired plots, curves, shares and gradients of terms, and the audit", () => {
    const html = sweepReport(expanded, compareRuns(expanded));
    if (process.env["SEMISEG_KEEP_REPORT"]) writeFileSync(join(folder, "report.html"), html);
    for (const title of [
      "3 labelled training cases",
      "10 labelled training cases",
      "Dice per test case (mean over seeds)",
      "Dice minus supervised, per case",
      "Dice of the same test case",
      "better: above in 14 of 14 cases",
      "Validation Dice (mean over seeds)",
      "better: share of each term in the loss",
      "better: gradient norm of each weighted term",
      "Precision of labels given to unlabelled cases",
      "Recall of labels given to unlabelled cases",
      "Audit: what choosing the weights on the test cases would have added",
    ])
      expect(html).toContain(title);
    expect(html).toContain("<b>0.8");
    // Self-contained.
    expect(html).not.toMatch(/(src|href)="http/);
    expect(html).not.toContain("\u0001");
    expect(html).not.toContain("NaN");
  });
});
