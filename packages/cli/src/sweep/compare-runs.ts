import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { bootstrapInterval, holmCorrection, summarizeValues, wilcoxonSignedRank } from "@semiseg/metrics";
import { decodeJson, type Evaluation, readJsonLines } from "@semiseg/training";
import type { ExpandedSweep, SweepTask } from "./expand-sweep.js";

/** One metric of one row of a comparison. */
export interface Comparison {
  readonly metric: string;
  readonly unit: string;
  /** Mean and sample standard deviation, over seeds, of the mean over cases. */
  readonly mean: number;
  readonly sdOverSeeds: number;
  /** Standard deviation over cases of the value per case, averaged over seeds. */
  readonly sdOverCases: number;
  /** 95 % bootstrap interval over cases. */
  readonly interval: readonly [number, number] | null;
  /** Values that do not exist (a class that was missed altogether). */
  readonly missing: number;
  /** Against the baseline: two-sided Wilcoxon signed-rank over cases, each averaged over seeds, Holm-corrected over rows. */
  readonly pValue: number | null;
  /** Mean difference to the baseline over the same cases. */
  readonly difference: number | null;
  /** Value per case, averaged over seeds, in the order of `cases`. */
  readonly perCase: readonly number[];
}

/** One variant under one label budget. */
export interface ComparisonRow {
  readonly variant: string;
  readonly labeled: "all" | number;
  readonly selected: "last" | "best";
  readonly seeds: readonly number[];
  /** Runs that are not there. */
  readonly missingRuns: number;
  readonly cases: readonly string[];
  readonly minutes: number;
  readonly metrics: readonly Comparison[];
}

/** Metrics that are compared, and whether more is better. */
export const comparedMetrics: Readonly<Record<string, boolean>> = {
  dice: true,
  jaccard: true,
  hd95: false,
  asd: false,
};

/** `[metric][case]`: mean over foreground classes. */
function perCase(evaluation: Evaluation): Map<string, { unit: string; values: Map<string, number> }> {
  const found = new Map<string, { unit: string; values: Map<string, number> }>();
  for (const { id, rows } of evaluation.cases)
    for (const metric of Object.keys(comparedMetrics)) {
      const own = rows.filter((row) => row.metric === metric);
      if (own.length === 0) continue;
      const { mean } = summarizeValues(own.map(({ value }) => value));
      const entry = found.get(metric) ?? { unit: own[0]!.unit, values: new Map<string, number>() };
      entry.values.set(id, mean);
      found.set(metric, entry);
    }
  return found;
}

function evaluationOf(task: SweepTask, selected: "last" | "best"): Evaluation | null {
  const path = join(task.config.run, "evaluation.json");
  if (!existsSync(path)) return null;
  const all = decodeJson(readFileSync(path, "utf8")) as Evaluation[];
  return all.find((e) => e.part === "test" && e.model.network === "student" && e.model.selected === selected) ?? null;
}

/** Minutes of training; the rate in the log is a running mean, so that its inverse adds up to the time. */
function minutesOf(task: SweepTask): number {
  const steps = readJsonLines(join(task.config.run, "metrics.jsonl")).filter((record) => record["kind"] === "step");
  if (steps.length === 0) return Number.NaN;
  return steps.reduce((sum, record) => sum + 1 / Number(record["stepsPerSecond"]), 0) / 60;
}

interface Gathered {
  readonly row: Omit<ComparisonRow, "metrics">;
  readonly metrics: Map<string, { unit: string; bySeed: Map<string, number>[] }>;
}

function gather(tasks: readonly SweepTask[], selected: "last" | "best"): Gathered {
  const metrics: Gathered["metrics"] = new Map();
  const seeds: number[] = [];
  const cases = new Set<string>();
  const minutes: number[] = [];
  for (const task of tasks) {
    const evaluation = evaluationOf(task, selected);
    if (!evaluation) continue;
    seeds.push(task.seed);
    minutes.push(minutesOf(task));
    for (const { id } of evaluation.cases) cases.add(id);
    for (const [metric, { unit, values }] of perCase(evaluation)) {
      const entry = metrics.get(metric) ?? { unit, bySeed: [] };
      entry.bySeed.push(values);
      metrics.set(metric, entry);
    }
  }
  const { variant, labeled } = tasks[0]!;
  return {
    row: {
      variant,
      labeled,
      selected,
      seeds,
      missingRuns: tasks.length - seeds.length,
      cases: [...cases].sort(),
      minutes: summarizeValues(minutes).mean,
    },
    metrics,
  };
}

/**
 * Compares the rows of a sweep on the test cases: student, last step and best on validation. Every row is tested
 * against the baseline of its label budget; p values are corrected over the rows of a budget and metric.
 */
export function compareRuns(expanded: ExpandedSweep): ComparisonRow[] {
  const { tasks, baseline, variants } = expanded;
  const budgets = [...new Set(tasks.map(({ labeled }) => labeled))];
  return budgets.flatMap((labeled) =>
    (["last", "best"] as const).flatMap((selected) => {
      const groups = variants
        .map((variant) =>
          gather(
            tasks.filter((t) => t.variant === variant && t.labeled === labeled),
            selected,
          ),
        )
        .filter(({ row }) => row.seeds.length > 0);
      const reference = groups.find(({ row }) => row.variant === baseline);
      const rows = groups.map(({ row, metrics }) => ({
        ...row,
        metrics: [...metrics].map(([metric, { unit, bySeed }]): Comparison => {
          const average = (of: readonly Map<string, number>[]): number[] =>
            row.cases.map((id) => summarizeValues(of.map((values) => values.get(id) ?? Number.NaN)).mean);
          const values = average(bySeed);
          const means = bySeed.map((of) => summarizeValues([...of.values()]).mean);
          const there = values.filter(Number.isFinite);
          const other = reference?.row === row ? undefined : reference?.metrics.get(metric);
          const pairs = other ? average(other.bySeed).map((b, i): [number, number] => [values[i]!, b]) : [];
          const complete = pairs.filter((pair) => pair.every(Number.isFinite));
          return {
            metric,
            unit,
            mean: summarizeValues(means).mean,
            sdOverSeeds: summarizeValues(means).sd,
            sdOverCases: summarizeValues(values).sd,
            interval: there.length >= 2 ? bootstrapInterval(there) : null,
            missing: bySeed.reduce((sum, of) => sum + [...of.values()].filter(Number.isNaN).length, 0),
            pValue:
              complete.length >= 2
                ? wilcoxonSignedRank(
                    complete.map(([a]) => a),
                    complete.map(([, b]) => b),
                  ).pValue
                : null,
            difference: complete.length > 0 ? summarizeValues(complete.map(([a, b]) => a - b)).mean : null,
            perCase: values,
          };
        }),
      }));
      return corrected(rows);
    }),
  );
}

/** Holm's correction over the rows of each metric. */
function corrected(rows: readonly ComparisonRow[]): ComparisonRow[] {
  const result = rows.map((row) => ({ ...row, metrics: [...row.metrics] }));
  for (const metric of Object.keys(comparedMetrics)) {
    const entries = result.flatMap((row) => {
      const at = row.metrics.findIndex((m) => m.metric === metric && m.pValue !== null);
      return at < 0 ? [] : [{ row, at }];
    });
    const p = holmCorrection(entries.map(({ row, at }) => row.metrics[at]!.pValue!));
    for (const [i, { row, at }] of entries.entries()) row.metrics[at] = { ...row.metrics[at]!, pValue: p[i]! };
  }
  return result;
}
