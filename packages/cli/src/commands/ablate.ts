import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Command, Option } from "@commander-js/extra-typings";
import { OptionError, SemisegError } from "@semiseg/errors";
import { formatDuration, progressBar, readJsonLines, writeAtomically } from "@semiseg/training";
import { createOutput, type OutputStreams } from "../output.js";
import { Stopped } from "../stopped.js";
import { auditSelection, auditText } from "../sweep/audit-selection.js";
import { compareRuns } from "../sweep/compare-runs.js";
import { comparisonCsv, latexTable, markdownTable, textTable } from "../sweep/comparison-tables.js";
import { type ExpandedSweep, expandSweep } from "../sweep/expand-sweep.js";
import { kubernetesManifest } from "../sweep/kubernetes-manifest.js";
import { runLocal } from "../sweep/run-local.js";
import { runSlurm } from "../sweep/run-slurm.js";
import { runTask, taskLogPath } from "../sweep/run-task.js";
import { sweepReport } from "../sweep/sweep-report.js";
import { checkSameConfig, taskStatus } from "../sweep/task-state.js";
import { wholeNumber } from "./common.js";

/** Optimizer steps made so far, over all runs of a sweep. */
function stepsMade({ tasks }: ExpandedSweep): number {
  return tasks.reduce((sum, task) => {
    if (taskStatus(task) === "done") return sum + task.config.maxSteps;
    const last = readJsonLines(join(task.config.run, "metrics.jsonl")).findLast((record) => record["kind"] === "step");
    return sum + (last ? Number(last["step"]) + 1 : 0);
  }, 0);
}

/** Tables and report of what is there; null when no run is complete. */
function writeComparison(expanded: ExpandedSweep): ReturnType<typeof compareRuns> | null {
  const rows = compareRuns(expanded);
  if (rows.length === 0) return null;
  const { out } = expanded;
  mkdirSync(out, { recursive: true });
  const last = rows.filter(({ selected }) => selected === "last");
  writeAtomically(join(out, "results.json"), new TextEncoder().encode(JSON.stringify(rows, null, 1)));
  writeAtomically(join(out, "results.csv"), new TextEncoder().encode(`${comparisonCsv(rows)}\n`));
  writeAtomically(join(out, "results.md"), new TextEncoder().encode(`${markdownTable(rows)}\n`));
  writeAtomically(join(out, "results.tex"), new TextEncoder().encode(`${latexTable(last)}\n`));
  writeAtomically(join(out, "report.html"), new TextEncoder().encode(sweepReport(expanded, rows)));
  return rows;
}

/** `semiseg ablate`: many runs of one configuration, and the table that compares them. */
export function ablateCommand(streams: OutputStreams) {
  return new Command("ablate")
    .description("run variants x seeds x label budgets of a configuration, and compare them with statistics")
    .argument("<sweep>", "YAML file: base, variants, seeds, label budgets, engine")
    .addOption(
      new Option("--task <index>", "run this one of the runs only, as a job array does").argParser(wholeNumber),
    )
    .option("--report", "do not run anything: compare the runs that are there", false)
    .option("--audit", "what choosing the weights on the test cases would have added; runs nothing", false)
    .option("--list", "list the runs and where they stand", false)
    .option("--json", "print one JSON value", false)
    .action(async (file, options) => {
      const output = createOutput(options.json, streams);
      const expanded = expandSweep(file);
      const { sweep, tasks, out } = expanded;
      const unique = new Set(tasks.map(({ hash }) => hash)).size;
      if (options.list) {
        const list = tasks.map((t) => ({
          index: t.index,
          variant: t.variant,
          labeled: t.labeled,
          seed: t.seed,
          hash: t.hash,
          status: taskStatus(t),
          run: t.config.run,
        }));
        output.result(list, () =>
          list.map((t) => `${String(t.index).padStart(4)}  ${t.status.padEnd(7)}  ${t.run}`).join("\n"),
        );
        return;
      }
      if (options.audit) {
        const audits = auditSelection(expanded);
        output.result(audits, () => auditText(audits));
        return;
      }
      for (const task of tasks) checkSameConfig(task, out);
      if (options.task !== undefined) {
        const task = tasks[options.task];
        if (!task) throw new OptionError(`ablate: --task must be below ${tasks.length}, received ${options.task}`);
        output.say(`run ${task.index} of ${tasks.length}: ${task.config.run}`);
        const controller = stopOnSignals();
        const code = await runTask(task, { out, signal: controller.signal });
        controller.release();
        if (code === 130) throw new Stopped();
        if (code !== 0)
          throw new SemisegError(
            `ablate: run ${task.index} failed with exit code ${code}: see ${taskLogPath(task)}`,
            "SWEEP",
          );
        return;
      }
      if (!options.report) await run(expanded, unique, output);
      const rows = writeComparison(expanded);
      if (rows) output.result(rows, () => `${textTable(rows)}\n\nreport: ${join(out, "report.html")}`);
      else output.warn("no run is complete, so there is nothing to compare yet");
      if (options.report || sweep.engine === "kubernetes") return;
      const missing = tasks.filter((task) => taskStatus(task) !== "done");
      for (const task of missing) output.warn(`not complete: ${task.config.run} (log: ${taskLogPath(task)})`);
      if (missing.length > 0)
        throw new SemisegError(
          `ablate: ${missing.length} of ${tasks.length} runs are not complete; call the same command again to go on`,
          "SWEEP",
        );
    });
}

/** A signal that aborts on the first Ctrl-C or SIGTERM; the second ends the process. */
function stopOnSignals(): { readonly signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const stop = (): void => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
  };
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, stop);
  return {
    signal: controller.signal,
    release: () => {
      for (const name of ["SIGINT", "SIGTERM"] as const) process.off(name, stop);
    },
  };
}

async function run(expanded: ExpandedSweep, unique: number, output: ReturnType<typeof createOutput>): Promise<void> {
  const { sweep, tasks, out } = expanded;
  mkdirSync(out, { recursive: true });
  if (sweep.engine === "kubernetes") {
    const path = join(out, "job.yaml");
    writeFileSync(path, kubernetesManifest(expanded));
    output.say(`wrote ${path}: kubectl apply -f it, and call this command with --report when the Job is done`);
    return;
  }
  const total = tasks.reduce((sum, task) => sum + task.config.maxSteps, 0);
  const done = tasks.filter((task) => taskStatus(task) === "done").length;
  output.say(
    `${tasks.length} runs (${unique} different), ${done} complete already; ${sweep.engine}, ${sweep.jobs} at a time, into ${out}`,
  );
  const bar = output.json ? null : progressBar({ total, label: "sweep" });
  bar?.update(stepsMade(expanded));
  const timer = setInterval(() => bar?.update(stepsMade(expanded)), 5000);
  const stop = stopOnSignals();
  const began = Date.now();
  try {
    if (sweep.engine === "slurm")
      await runSlurm(expanded, {
        signal: stop.signal,
        say: (line) => output.say(line),
        onPoll: () => bar?.update(stepsMade(expanded)),
      });
    else
      await runLocal(expanded, {
        signal: stop.signal,
        onEvent: ({ task, what, code }) => {
          const name = `${task.variant}, ${task.labeled} labelled, seed ${task.seed}`;
          const after = formatDuration((Date.now() - began) / 1000);
          if (what === "failed" || what === "again")
            output.warn(
              `${name}: exit code ${code}${what === "again" ? ", trying again" : ""}; log: ${taskLogPath(task)}`,
            );
          else output.say(`${after}  ${what}: ${name}`);
        },
      });
  } finally {
    clearInterval(timer);
    bar?.finish();
    stop.release();
  }
  if (stop.signal.aborted) {
    output.warn("stopped; call the same command again to go on");
    throw new Stopped();
  }
}
