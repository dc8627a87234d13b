import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { CheckpointError } from "@semiseg/errors";
import { decodeSafetensors, encodeSafetensors } from "@semiseg/nn";
import { dispose, type Tensor } from "@tensorflow/tfjs-core";
import { decodeJson, encodeJson } from "./json-lines.js";
import { asDiskError } from "./training-error.js";
import { syncFolder, writeSynced } from "./write-atomically.js";

/** What a checkpoint holds: tensors in named groups (one safetensors file each) and plain JSON state. */
export interface Checkpoint {
  /** Optimizer steps done; training goes on with the step of this number. */
  readonly step: number;
  readonly tensors: Readonly<Record<string, ReadonlyMap<string, Tensor>>>;
  readonly state: Readonly<Record<string, unknown>>;
}

interface Manifest {
  readonly format: 1;
  readonly step: number;
  readonly files: Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>;
  readonly state: Readonly<Record<string, unknown>>;
}

const manifestName = "checkpoint.json";
const folderName = (step: number): string => `step-${String(step).padStart(8, "0")}`;

/** Steps of the checkpoints in `folder`, oldest first. */
export function checkpointSteps(folder: string): number[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .map((name) => /^step-(\d+)$/.exec(name)?.[1])
    .filter((digits) => digits !== undefined)
    .map(Number)
    .sort((a, b) => a - b);
}

/** Folder of the checkpoint of `step`. */
export const checkpointPath = (folder: string, step: number): string => join(folder, folderName(step));

/**
 * Saves a checkpoint as a folder that appears whole or not at all: everything is written and synced under a temporary
 * name, then renamed.
 *
 * @returns the checkpoint's folder.
 * @throws DiskFullError when there is no space; earlier checkpoints are untouched.
 */
export async function saveCheckpoint(folder: string, checkpoint: Checkpoint): Promise<string> {
  const target = checkpointPath(folder, checkpoint.step);
  const temporary = join(folder, `.${folderName(checkpoint.step)}.${process.pid}.tmp`);
  try {
    rmSync(temporary, { recursive: true, force: true });
    mkdirSync(temporary, { recursive: true });
    const files: Record<string, { bytes: number; sha256: string }> = {};
    for (const [group, dict] of Object.entries(checkpoint.tensors)) {
      if (dict.size === 0) continue;
      const path = join(temporary, `${group}.safetensors`);
      const bytes = await encodeSafetensors(dict);
      writeSynced(path, bytes);
      files[group] = { bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
    }
    const manifest: Manifest = { format: 1, step: checkpoint.step, files, state: checkpoint.state };
    writeSynced(join(temporary, manifestName), encodeJson(manifest, 1));
    syncFolder(temporary);
    rmSync(target, { recursive: true, force: true });
    renameSync(temporary, target);
    syncFolder(folder);
    return target;
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw asDiskError(error, target);
  }
}

function readManifest(path: string): Manifest {
  let manifest: Manifest;
  try {
    manifest = decodeJson(readFileSync(join(path, manifestName), "utf8")) as Manifest;
  } catch (error) {
    throw new CheckpointError(`${path}: ${manifestName} is missing or damaged`, { cause: error });
  }
  if (manifest?.format !== 1 || !Number.isInteger(manifest.step) || typeof manifest.files !== "object")
    throw new CheckpointError(`${path}: ${manifestName} is not a checkpoint of format 1`);
  return manifest;
}

/**
 * Reads a checkpoint and checks every file against its recorded size and hash.
 *
 * @param groups - which tensor groups to read; all by default. A group that isn't there is left out.
 * @returns tensors that the caller disposes (`disposeCheckpoint`).
 * @throws CheckpointError when a file is missing, truncated or changed.
 */
export async function loadCheckpoint(path: string, groups?: readonly string[]): Promise<Checkpoint> {
  const manifest = readManifest(path);
  const tensors: Record<string, ReadonlyMap<string, Tensor>> = {};
  try {
    for (const [group, { bytes, sha256 }] of Object.entries(manifest.files)) {
      if (groups !== undefined && !groups.includes(group)) continue;
      const file = join(path, `${group}.safetensors`);
      if (!existsSync(file)) throw new CheckpointError(`${file} is missing`);
      const content = readFileSync(file);
      if (content.length !== bytes)
        throw new CheckpointError(`${file} is truncated: ${content.length} of ${bytes} bytes`);
      if (createHash("sha256").update(content).digest("hex") !== sha256)
        throw new CheckpointError(`${file} is damaged: its hash differs from the one recorded when it was saved`);
      tensors[group] = decodeSafetensors(content);
    }
  } catch (error) {
    disposeCheckpoint({ tensors });
    throw error;
  }
  return { step: manifest.step, tensors, state: manifest.state };
}

/** Frees the tensors of a checkpoint that was loaded. */
export function disposeCheckpoint(checkpoint: Pick<Checkpoint, "tensors">): void {
  for (const dict of Object.values(checkpoint.tensors)) dispose([...dict.values()]);
}

/**
 * The newest checkpoint that is whole; damaged ones are reported through `warn` and passed over.
 *
 * @returns null when there is no checkpoint at all.
 * @throws CheckpointError when there are checkpoints and none is whole.
 */
export async function latestCheckpoint(
  folder: string,
  warn: (message: string) => void = () => {},
): Promise<Checkpoint | null> {
  const steps = checkpointSteps(folder);
  const problems: string[] = [];
  for (const step of steps.slice().reverse()) {
    try {
      return await loadCheckpoint(checkpointPath(folder, step));
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error;
      problems.push(error.message);
      warn(`checkpoint of step ${step} cannot be used, trying the one before it: ${error.message}`);
    }
  }
  if (problems.length > 0) throw new CheckpointError(`${folder}: no checkpoint is whole:\n  ${problems.join("\n  ")}`);
  return null;
}

/** Deletes all checkpoints but the newest `keep`, those of the steps in `also`, and leftovers of interrupted saves. */
export function pruneCheckpoints(folder: string, keep: number, also: readonly number[] = []): void {
  if (!existsSync(folder)) return;
  const steps = checkpointSteps(folder);
  const kept = new Set([...steps.slice(-keep), ...also]);
  for (const step of steps) if (!kept.has(step)) rmSync(checkpointPath(folder, step), { recursive: true, force: true });
  for (const name of readdirSync(folder))
    if (name.startsWith(".step-") && name.endsWith(".tmp"))
      rmSync(join(folder, name), { recursive: true, force: true });
}
