import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { CheckpointError, OptionError } from "@semiseg/errors";
import { checkpointSteps } from "./checkpoint.js";
import { decodeJson, encodeJson } from "./json-lines.js";
import { writeAtomically } from "./write-atomically.js";

/** Places inside a run's folder. */
export interface RunPaths {
  readonly folder: string;
  /** The resolved configuration. */
  readonly config: string;
  /** The split manifest with hashes. */
  readonly split: string;
  /** JSON lines: one record per step, validation and event. */
  readonly metrics: string;
  readonly tensorboard: string;
  readonly checkpoints: string;
  readonly report: string;
  readonly evaluationJson: string;
  readonly evaluationCsv: string;
}

/** Where everything of a run lies. */
export function runPaths(folder: string): RunPaths {
  const at = (name: string): string => join(folder, name);
  return {
    folder,
    config: at("config.json"),
    split: at("split.json"),
    metrics: at("metrics.jsonl"),
    tensorboard: at("tensorboard"),
    checkpoints: at("checkpoints"),
    report: at("report.html"),
    evaluationJson: at("evaluation.json"),
    evaluationCsv: at("evaluation.csv"),
  };
}

/** A JSON file of a run. Throws CheckpointError when it is missing or damaged. */
export function readRunJson(path: string): unknown {
  try {
    return decodeJson(readFileSync(path, "utf8"));
  } catch (error) {
    throw new CheckpointError(`${path} is missing or damaged: is its folder a run?`, { cause: error });
  }
}

/** Options of {@link openRun}. */
export interface OpenRunOptions {
  readonly folder: string;
  /** Go on with a run that is already there; without it a folder that holds one is refused. Default false. */
  readonly resume?: boolean;
  /** Written to `config.json` of a new run. */
  readonly config?: unknown;
  /** Written to `split.json` of a new run. */
  readonly split?: unknown;
}

/** A run opened for writing by this process alone. */
export interface OpenRun extends RunPaths {
  /** Lets another process in. */
  release(): void;
}

function alive(pid: number): boolean {
  if (pid === process.pid) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** One process per run: two writers would interleave logs and checkpoints. A lock left by a killed process is taken over. */
function lock(folder: string): () => void {
  const path = join(folder, "running.pid");
  for (let attempt = 0; ; attempt++) {
    try {
      const handle = openSync(path, "wx");
      writeSync(handle, String(process.pid));
      closeSync(handle);
      return () => rmSync(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST" || attempt > 0) throw error;
      const pid = Number(readFileSync(path, "utf8"));
      if (pid > 0 && alive(pid))
        throw new OptionError(
          `run folder ${folder} is in use by process ${pid}; if that is no training, delete ${path}`,
        );
      rmSync(path, { force: true });
    }
  }
}

/**
 * Opens the folder of a run for training.
 *
 * @throws OptionError when it already holds a run and `resume` is off, or another process trains in it.
 */
export function openRun(options: OpenRunOptions): OpenRun {
  const { folder, resume = false, config, split } = options;
  const paths = runPaths(folder);
  const used = existsSync(paths.metrics) || checkpointSteps(paths.checkpoints).length > 0;
  if (used && !resume)
    throw new OptionError(`run folder ${folder} already holds a run: resume it, or choose another folder`);
  mkdirSync(paths.checkpoints, { recursive: true });
  const release = lock(folder);
  try {
    if (config !== undefined && (!used || !existsSync(paths.config)))
      writeAtomically(paths.config, `${encodeJson(config, 2)}\n`);
    if (split !== undefined && (!used || !existsSync(paths.split)))
      writeAtomically(paths.split, `${encodeJson(split, 1)}\n`);
  } catch (error) {
    release();
    throw error;
  }
  return { ...paths, release };
}
