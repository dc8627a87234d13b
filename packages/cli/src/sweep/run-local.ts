import { cpus } from "node:os";
import type { ExpandedSweep, SweepTask } from "./expand-sweep.js";
import { runTask } from "./run-task.js";
import { taskStatus } from "./task-state.js";

/** Called whenever a run starts or ends. */
export type TaskEvent = (event: {
  readonly task: SweepTask;
  readonly what: "started" | "finished" | "failed" | "again";
  readonly code?: number;
}) => void;

/** Equal shares of the cores, `0-3` and `4-7` for two jobs on eight; none where a share would be empty. */
export function coreShare(job: number, jobs: number, cores = cpus().length): string | undefined {
  if (jobs <= 1 || cores < jobs) return undefined;
  const [from, to] = [Math.floor((job * cores) / jobs), Math.floor(((job + 1) * cores) / jobs) - 1];
  return from === to ? String(from) : `${from}-${to}`;
}

/** Runs what is missing of a sweep in processes of this machine. Runs of equal settings are made once. */
export async function runLocal(
  expanded: ExpandedSweep,
  options: { readonly onEvent: TaskEvent; readonly signal: AbortSignal },
): Promise<void> {
  const { sweep, out, tasks } = expanded;
  const { onEvent, signal } = options;
  const queue = [...new Map(tasks.filter((t) => taskStatus(t) !== "done").map((t) => [t.hash, t])).values()];
  const worker = async (job: number): Promise<void> => {
    const cores = coreShare(job, sweep.jobs);
    const gpu = sweep.gpus.length > 0 ? sweep.gpus[job % sweep.gpus.length]! : undefined;
    for (let task = queue.shift(); task && !signal.aborted; task = queue.shift()) {
      onEvent({ task, what: "started" });
      for (let attempt = 0; ; attempt++) {
        const code = await runTask(task, {
          out,
          signal,
          ...(cores === undefined ? {} : { cores }),
          ...(gpu === undefined ? {} : { gpu }),
        });
        if (signal.aborted) break;
        if (code === 0 || attempt >= sweep.retries) {
          onEvent({ task, what: code === 0 ? "finished" : "failed", code });
          break;
        }
        onEvent({ task, what: "again", code });
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(sweep.jobs, queue.length) }, (_, job) => worker(job)));
}
