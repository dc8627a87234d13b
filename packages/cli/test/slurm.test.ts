import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { readJsonLines } from "@semiseg/training";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exitCodes, main } from "../src/index.js";
import { expandSweep, type SweepTask } from "../src/sweep/expand-sweep.js";
import { readTask } from "../src/sweep/task-state.js";

const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"];
const missing = ["munged", "slurmctld", "slurmd", "sbatch"].filter(
  (command) => !folders.some((folder) => existsSync(join(folder, command))),
);
if (missing.length > 0)
  console.warn(
    `Slurm is not installed (${missing.join(", ")} missing): its test is skipped. apt-get install slurm-wlm munge`,
  );

const cluster = fileURLToPath(new URL("../../../examples/ablation/one-node-slurm.sh", import.meta.url));
const pause = (seconds: number) => new Promise((done) => setTimeout(done, 1000 * seconds));

/** Steps that a run has logged. */
const stepsOf = (task: SweepTask): number =>
  readJsonLines(join(task.config.run, "metrics.jsonl")).filter(({ kind }) => kind === "step").length;

/** Processes that train into a run's folder: found by the folder's own path, so that no other is met. */
function processesOf(task: SweepTask): number[] {
  const lines = execFileSync("ps", ["-eo", "pid=,args="], { encoding: "utf8" }).split("\n");
  const own = lines.filter(
    (line) => / train /.test(line) && (line.includes(task.hash) || line.includes(task.config.run)),
  );
  return own.map((line) => Number.parseInt(line, 10));
}

describe.skipIf(missing.length > 0)("semiseg ablate on Slurm", () => {
  let folder = "";
  const before = process.env["SLURM_CONF"];
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "semiseg-slurm-"));
    const out = execFileSync(cluster, ["start", join(folder, "slurm"), "2"], { encoding: "utf8" });
    process.env["SLURM_CONF"] = /^SLURM_CONF=(.*)$/m.exec(out)![1]!;
  }, 60_000);
  afterAll(() => {
    execFileSync(cluster, ["stop", join(folder, "slurm")]);
    if (before === undefined) delete process.env["SLURM_CONF"];
    else process.env["SLURM_CONF"] = before;
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }, 60_000);

  it("completes a sweep one of whose tasks is killed and another cancelled, each going on from its checkpoint", async () => {
    writeFileSync(
      join(folder, "base.yaml"),
      `method: { name: supervised }
network: { baseFilters: 2, normalization: group }
data: { kind: phantom, shape: [16, 16], organs: 2, train: 4, validation: 1, test: 2, labeled: 2, patchSize: [16, 16], workers: 0 }
batch: { labeled: 1, unlabeled: 0 }
maxSteps: 300
checkpoint: { every: 1 }
run: unused
engine: cpu
`,
    );
    const sweep = join(folder, "sweep.yaml");
    writeFileSync(
      sweep,
      `base: base.yaml
out: ${join(folder, "sweep")}
variants: { supervised: {} }
seeds: [1, 2]
engine: slurm
jobs: 2
retries: 3
slurm: { time: "00:10:00", cpusPerTask: 1, poll: 0.5 }
`,
    );
    const { tasks } = expandSweep(sweep);
    const text = { out: "", error: "" };
    const streams = {
      out: (line: string) => {
        text.out += line;
      },
      error: (line: string) => {
        text.error += line;
      },
    };
    const done = main(["ablate", sweep], streams);
    const [first, second] = tasks as [SweepTask, SweepTask];
    const interrupted = { killed: 0, cancelled: 0 };
    for (let tries = 0; tries < 1600 && !(interrupted.killed && interrupted.cancelled); tries++) {
      await pause(0.05);
      if (!interrupted.killed && stepsOf(first) >= 2)
        for (const pid of processesOf(first)) {
          process.kill(pid, "SIGKILL");
          interrupted.killed = stepsOf(first);
        }
      const job = join(folder, "sweep", "slurm", "job.txt");
      if (!interrupted.cancelled && stepsOf(second) >= 2 && existsSync(job)) {
        execFileSync("scancel", [`${readFileSync(job, "utf8").trim()}_${second.index}`]);
        interrupted.cancelled = stepsOf(second);
      }
    }
    // Both were met in the middle.
    for (const step of Object.values(interrupted)) {
      expect(step).toBeGreaterThan(0);
      expect(step).toBeLessThan(280);
    }
    expect(await done, text.error).toBe(exitCodes.done);
    expect(text.out).toMatch(/submitted job \d+: 2 runs, 2 at a time/);
    // Submitted more than once: what was killed or cancelled was missing the first time.
    expect(text.out.match(/submitted job/g)!.length).toBeGreaterThan(1);
    expect(readTask(join(folder, "sweep"), first)!.attempts.map(({ code }) => code)).toEqual([137, 0]);
    for (const task of tasks) {
      expect(stepsOf(task)).toBe(300);
      expect(existsSync(join(task.config.run, "evaluation.json"))).toBe(true);
      const events = readJsonLines(join(task.config.run, "metrics.jsonl")).map(({ event }) => event);
      expect(events).toContain("resumed");
    }
    expect(existsSync(join(folder, "sweep", "report.html"))).toBe(true);
  }, 240_000);
});
