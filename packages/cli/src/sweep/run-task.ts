import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { SweepTask } from "./expand-sweep.js";
import { readTask, taskConfigPath, taskStatus, writeTask } from "./task-state.js";

/** How a run's process is started. */
export interface RunTaskOptions {
  readonly out: string;
  /** Processor cores to stay on, as `taskset -c` takes them. */
  readonly cores?: string;
  readonly gpu?: number;
  readonly signal?: AbortSignal;
}

/** The semiseg executable beside this code, built or not. */
export function semisegExecutable(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const path = join(folder, "bin", "semiseg.js");
    if (existsSync(path)) return path;
    if (folder === dirname(folder)) throw new Error("bin/semiseg.js is missing");
  }
}

/** Where a run's output goes. */
export const taskLogPath = (task: SweepTask): string => `${task.config.run}.log`;

/**
 * Trains and evaluates one run of a sweep in a process of its own, going on from its checkpoint if it has one.
 *
 * @returns The process's exit code; 0 when the run was complete already.
 */
export async function runTask(task: SweepTask, options: RunTaskOptions): Promise<number> {
  const { out, cores, gpu, signal } = options;
  const status = taskStatus(task);
  if (status === "done") return 0;
  const attempts = readTask(out, task)?.attempts ?? [];
  writeTask(out, task, attempts);
  const { run } = task.config;
  mkdirSync(dirname(run), { recursive: true });
  const source = status === "started" ? ["--resume", run] : ["--config", taskConfigPath(out, task)];
  const command = [process.execPath, semisegExecutable(), "train", ...source];
  const line = cores !== undefined && process.platform === "linux" ? ["taskset", "-c", cores, ...command] : command;
  const log = openSync(taskLogPath(task), "a");
  const started = Date.now();
  try {
    const code = await new Promise<number>((resolve) => {
      const child = spawn(line[0]!, line.slice(1), {
        // The channel ends with this process, however that ends: the run then saves and stops, and is nobody's orphan.
        stdio: ["ignore", log, log, "ipc"],
        env: { ...process.env, ...(gpu === undefined ? {} : { CUDA_VISIBLE_DEVICES: String(gpu) }) },
      });
      const stop = (): void => void child.kill("SIGINT");
      signal?.addEventListener("abort", stop);
      child.on("error", () => resolve(127));
      child.on("close", (status_, killed) => {
        signal?.removeEventListener("abort", stop);
        resolve(status_ ?? (killed ? 137 : 1));
      });
    });
    const seconds = Math.round((Date.now() - started) / 1000);
    writeTask(out, task, [...attempts, { started: new Date(started).toISOString(), seconds, code }]);
    return code;
  } finally {
    closeSync(log);
  }
}
