import { existsSync } from "node:fs";
import { basename } from "node:path";
import { type ReportSlice, reportHtml } from "../report/report-html.js";
import { readJsonLines } from "../run/json-lines.js";
import { readRunJson, runPaths } from "../run/run-folder.js";
import { writeAtomically } from "../run/write-atomically.js";
import type { Evaluation } from "./evaluation.js";

/** Options of {@link writeReport}. */
export interface WriteReportOptions {
  readonly run: string;
  readonly evaluations?: readonly Evaluation[];
  readonly slices?: readonly ReportSlice[];
  readonly facts?: Readonly<Record<string, string | number>>;
}

/** What the weights in the tables were selected on, in one sentence. */
export function selectionSentence(evaluations: readonly Evaluation[]): string {
  const part = evaluations[0]?.part ?? "test";
  return evaluations.some(({ model }) => model.selected === "best")
    ? `Weights of the last step, and beside them those with the best mean Dice on the validation cases; the ${part} cases chose nothing.`
    : `Weights of the last step; no case chose anything.`;
}

/** Writes `report.html` of a run from its log, configuration, split and the given evaluations; returns its path. */
export function writeReport({ run, evaluations = [], slices = [], facts = {} }: WriteReportOptions): string {
  const paths = runPaths(run);
  const records = readJsonLines(paths.metrics);
  const steps = records.filter((record) => record["kind"] === "step");
  const seconds = steps.reduce((sum, record) => sum + 1 / Number(record["stepsPerSecond"]), 0);
  const waited = steps.reduce((sum, record) => sum + Number(record["waitedMs"] ?? 0), 0) / 1000;
  const share = seconds > 0 ? `${((100 * waited) / seconds).toFixed(1)} %` : "-";
  const optional = (path: string): unknown => (existsSync(path) ? readRunJson(path) : undefined);
  const html = reportHtml({
    title: `Run ${basename(run)}`,
    records,
    evaluations,
    slices,
    selection: selectionSentence(evaluations),
    facts: {
      steps: steps.length,
      "minutes in steps": (seconds / 60).toFixed(1),
      "of them waiting for data": share,
      ...facts,
    },
    config: optional(paths.config),
    split: optional(paths.split),
  });
  writeAtomically(paths.report, html);
  return paths.report;
}
