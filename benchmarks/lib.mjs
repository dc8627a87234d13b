import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { dirname } from "node:path";
import { createInterface } from "node:readline";

/** The interpreter of the Python peers. */
export const python = process.env.SEMISEG_PYTHON ?? "python3";

/** Median of a list of numbers. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** What a result must name: date, commit, machine kind, Node. */
export function provenance() {
  const git = (...args) => execFileSync("git", args, { encoding: "utf8" }).trim();
  // A bundle has no history: it brings the commit along.
  let commit = process.env.SEMISEG_COMMIT ?? "unknown";
  try {
    const changed = git("status", "--porcelain", "--untracked-files=no") !== "";
    commit = git("rev-parse", "--short", "HEAD") + (changed ? " + uncommitted changes" : "");
  } catch {}
  const { model } = cpus()[0] ?? { model: "unknown" };
  return {
    date: new Date().toISOString(),
    commit,
    machine: `${cpus().length}-core ${process.arch}, ${model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
    node: process.version,
  };
}

/** Writes a result as JSON, folders made. */
export function writeResult(path, result) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(result, null, 2)}\n`);
}

function jiffies() {
  const fields = readFileSync("/proc/stat", "utf8").split("\n")[0].split(/\s+/).slice(1).map(Number);
  const total = fields.slice(0, 8).reduce((a, b) => a + b, 0);
  return { total, busy: total - fields[3] - fields[4] };
}

/** Cores kept busy by anybody during `milliseconds` of our own idleness; NaN where the system does not tell. */
export async function busyCores(milliseconds = 300) {
  try {
    const before = jiffies();
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    const after = jiffies();
    return ((after.busy - before.busy) / (after.total - before.total)) * cpus().length;
  } catch {
    return Number.NaN;
  }
}

/** A child process that answers each line with one JSON line. */
export async function lineWorker(command, args, env = {}) {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, ...env } });
  let complaint = "";
  child.stderr.on("data", (data) => {
    process.stderr.write(data);
    complaint = /^\w*Error\b.*$/m.exec(String(data))?.[0] ?? complaint;
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => {
    for (;;) {
      const { value, done } = await lines.next();
      if (done) throw new Error(complaint || `${command} ${args[0]} ended early`);
      if (value.startsWith("{")) return JSON.parse(value);
    }
  };
  const hello = await answer();
  return {
    hello,
    pid: child.pid,
    ask: (line) => {
      child.stdin.write(`${line}\n`);
      return answer();
    },
    close: () => child.stdin.end(),
  };
}
