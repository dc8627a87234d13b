import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { SemisegError } from "@semiseg/errors";
import type { ExpandedSweep } from "./expand-sweep.js";
import { semisegExecutable } from "./run-task.js";
import { taskStatus } from "./task-state.js";

/** Slurm could not be used. */
export class SlurmError extends SemisegError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, "SLURM", options);
  }
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** Ranges as job arrays take them: 0,2-4. */
export function arrayOf(indices: readonly number[]): string {
  const parts: string[] = [];
  for (let i = 0; i < indices.length; ) {
    let to = i;
    while (indices[to + 1] === indices[to]! + 1) to++;
    parts.push(to === i ? String(indices[i]) : `${indices[i]}-${indices[to]}`);
    i = to + 1;
  }
  return parts.join(",");
}

/** The batch script of a sweep: one array task per run that is missing. */
export function slurmScript({ file, sweep, out }: ExpandedSweep, indices: readonly number[]): string {
  const { partition, time, gres, cpusPerTask, memory, options } = sweep.slurm;
  const directives = [
    "--job-name=semiseg",
    `--array=${arrayOf(indices)}%${sweep.jobs}`,
    "--requeue",
    // A warning before the time limit: the run saves itself and goes on in the next try.
    "--signal=B:TERM@60",
    `--output=${join(out, "slurm", "%A_%a.log")}`,
    ...(partition ? [`--partition=${partition}`] : []),
    ...(time ? [`--time=${time}`] : []),
    ...(gres ? [`--gres=${gres}`] : []),
    ...(cpusPerTask ? [`--cpus-per-task=${cpusPerTask}`] : []),
    ...(memory ? [`--mem=${memory}`] : []),
    ...options,
  ];
  const command = [process.execPath, semisegExecutable(), "ablate", resolve(file)].map(quoted).join(" ");
  return `#!/bin/bash
${directives.map((d) => `#SBATCH ${d}`).join("\n")}
cd ${quoted(process.cwd())} || exit 1
trap 'kill -TERM "$child"; wait "$child"' TERM
${command} --task "$SLURM_ARRAY_TASK_ID" &
child=$!
wait "$child"
`;
}

function call(command: string, args: readonly string[]): string {
  try {
    return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  } catch (cause) {
    const { code, stderr } = cause as { code?: string; stderr?: string };
    throw new SlurmError(
      code === "ENOENT"
        ? `ablate: ${command} was not found: run on a machine with Slurm, or set engine: local`
        : `ablate: ${command} failed: ${stderr?.trim() || (cause as Error).message}`,
      { cause },
    );
  }
}

/** Whether a job is still waiting or running. */
function queued(job: string): boolean {
  try {
    return call("squeue", ["-h", "-j", job, "-o", "%i"]).trim() !== "";
  } catch (error) {
    // Finished jobs are forgotten after a while.
    if (String((error as Error).message).includes("Invalid job id")) return false;
    throw error;
  }
}

/**
 * Runs what is missing of a sweep as a Slurm job array, waits for it, and submits what failed again. A sweep that is
 * called anew while its array still runs waits for that one.
 */
export async function runSlurm(
  expanded: ExpandedSweep,
  options: { readonly say: (line: string) => void; readonly onPoll: () => void; readonly signal: AbortSignal },
): Promise<void> {
  const { sweep, out, tasks } = expanded;
  const folder = join(out, "slurm");
  mkdirSync(folder, { recursive: true });
  const jobFile = join(folder, "job.txt");
  for (let attempt = 0; attempt <= sweep.retries; attempt++) {
    let job = existsSync(jobFile) ? readFileSync(jobFile, "utf8").trim() : "";
    if (job && queued(job)) options.say(`waiting for job ${job}, which was submitted before`);
    else {
      const seen = new Set<string>();
      const missing = tasks.filter((t) => taskStatus(t) !== "done" && !seen.has(t.hash) && seen.add(t.hash));
      if (missing.length === 0) break;
      const script = join(folder, "job.sh");
      writeFileSync(
        script,
        slurmScript(
          expanded,
          missing.map(({ index }) => index),
        ),
      );
      job = call("sbatch", ["--parsable", script]).trim().split(";")[0]!;
      writeFileSync(jobFile, job);
      options.say(`submitted job ${job}: ${missing.length} runs, ${sweep.jobs} at a time`);
    }
    while (queued(job)) {
      if (options.signal.aborted) {
        options.say(`job ${job} goes on; call the same command again to wait for it, or scancel ${job}`);
        return;
      }
      options.onPoll();
      await new Promise((done) => setTimeout(done, sweep.slurm.poll * 1000));
    }
    rmSync(jobFile, { force: true });
  }
}
