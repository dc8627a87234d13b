import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ConfigError } from "../config/config-error.js";
import type { SweepTask } from "./expand-sweep.js";

/** What is known of a task. */
export interface TaskRecord {
  readonly hash: string;
  readonly variant: string;
  readonly seed: number;
  readonly attempts: readonly { readonly started: string; readonly seconds: number; readonly code: number }[];
}

const recordPath = (out: string, task: SweepTask): string => join(out, "tasks", `${task.hash}.json`);

/** The configuration file that a task's process is given. */
export const taskConfigPath = (out: string, task: SweepTask): string => join(out, "tasks", `${task.hash}.config.json`);

/** What was recorded of a task, or null. */
export function readTask(out: string, task: SweepTask): TaskRecord | null {
  const path = recordPath(out, task);
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as TaskRecord) : null;
}

/** Records a task and its configuration. */
export function writeTask(out: string, task: SweepTask, attempts: TaskRecord["attempts"]): void {
  mkdirSync(join(out, "tasks"), { recursive: true });
  writeFileSync(taskConfigPath(out, task), JSON.stringify(task.config, null, 1));
  const record: TaskRecord = { hash: task.hash, variant: task.variant, seed: task.seed, attempts };
  writeFileSync(recordPath(out, task), JSON.stringify(record, null, 1));
}

/** Where a run stands. `conflict`: its folder holds a run of another configuration. */
export function taskStatus(task: SweepTask): "done" | "started" | "new" {
  const { run } = task.config;
  if (existsSync(join(run, "evaluation.json"))) return "done";
  return existsSync(join(run, "config.json")) ? "started" : "new";
}

/** Throws ConfigError when a run's folder was made with other settings than the sweep now has. */
export function checkSameConfig(task: SweepTask, out: string): void {
  if (taskStatus(task) === "new" || existsSync(recordPath(out, task))) return;
  throw new ConfigError([
    {
      file: task.config.run,
      line: 0,
      column: 0,
      key: "",
      message: `holds a run with other settings than variant '${task.variant}' now has: move it away, or give the sweep another 'out'`,
    },
  ]);
}
