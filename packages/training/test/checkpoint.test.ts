import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CheckpointError } from "@semiseg/errors";
import { eachBackend } from "@semiseg/test-utils";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeEach, expect, it } from "vitest";
import {
  type Checkpoint,
  checkpointPath,
  checkpointSteps,
  disposeCheckpoint,
  latestCheckpoint,
  loadCheckpoint,
  pruneCheckpoints,
  saveCheckpoint,
} from "../src/index.js";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "semiseg-checkpoint-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function save(step: number): Promise<string> {
  const weight = tf.tensor([step, Math.PI, -0, 1e-42], [2, 2]);
  const bank = tf.tensor([1, 2, 3], [3], "int32");
  const path = await saveCheckpoint(folder, {
    step,
    tensors: { student: new Map([["a.weight", weight]]), terms: new Map([["bank/labels", bank]]), none: new Map() },
    state: { loss: Number.NaN, nested: { values: [step] } },
  });
  tf.dispose([weight, bank]);
  return path;
}

const read = (checkpoint: Checkpoint, group: string, name: string): number[] => [
  ...checkpoint.tensors[group]!.get(name)!.dataSync(),
];

eachBackend("saveCheckpoint", () => {
  it("round-trips tensors bit by bit, their types and JSON state with NaN", async () => {
    const loaded = await loadCheckpoint(await save(7));
    expect(loaded.step).toBe(7);
    expect(loaded.state).toEqual({ loss: Number.NaN, nested: { values: [7] } });
    expect(Object.keys(loaded.tensors)).toEqual(["student", "terms"]);
    expect(read(loaded, "student", "a.weight")).toEqual([...Float32Array.of(7, Math.PI, -0, 1e-42)]);
    expect(loaded.tensors["student"]!.get("a.weight")!.shape).toEqual([2, 2]);
    expect(loaded.tensors["terms"]!.get("bank/labels")!.dtype).toBe("int32");
    disposeCheckpoint(loaded);
  });

  it("leaves no tensor behind when saving, nor when a load fails half-way", async () => {
    const path = await save(1);
    truncateSync(join(path, "terms.safetensors"), 20);
    const before = tf.memory().numTensors;
    await save(2);
    await expect(loadCheckpoint(path)).rejects.toThrow(CheckpointError);
    expect(tf.memory().numTensors).toBe(before);
  });

  it("reads only the groups asked for", async () => {
    const loaded = await loadCheckpoint(await save(1), ["student"]);
    expect(Object.keys(loaded.tensors)).toEqual(["student"]);
    disposeCheckpoint(loaded);
  });

  it("replaces a checkpoint of the same step and leaves no temporary folder", async () => {
    await save(3);
    await save(3);
    expect(readdirSync(folder)).toEqual(["step-00000003"]);
  });

  it("falls back to the previous checkpoint when the newest is truncated, changed or incomplete", async () => {
    const damages: ((path: string) => void)[] = [
      (path) => truncateSync(join(path, "student.safetensors"), 10),
      (path) => truncateSync(join(path, "checkpoint.json"), 30),
      (path) => rmSync(join(path, "student.safetensors")),
      (path) => rmSync(join(path, "checkpoint.json")),
      (path) => {
        const file = join(path, "student.safetensors");
        const bytes = readFileSync(file);
        bytes[bytes.length - 1]! ^= 1;
        writeFileSync(file, bytes);
      },
    ];
    for (const damage of damages) {
      await save(1);
      damage(await save(2));
      const warnings: string[] = [];
      const loaded = await latestCheckpoint(folder, (message) => warnings.push(message));
      expect(loaded?.step).toBe(1);
      expect(warnings).toHaveLength(1);
      expect(warnings[0]).toContain("step 2");
      disposeCheckpoint(loaded!);
    }
  });

  it("throws CheckpointError when no checkpoint is whole, and gives null when there is none", async () => {
    expect(await latestCheckpoint(folder)).toBeNull();
    expect(await latestCheckpoint(join(folder, "missing"))).toBeNull();
    truncateSync(join(await save(1), "checkpoint.json"), 0);
    await expect(latestCheckpoint(folder)).rejects.toThrow(CheckpointError);
  });

  it("ignores what an interrupted save left and deletes it when pruning", async () => {
    for (const step of [1, 2, 3, 4]) await save(step);
    mkdirSync(join(folder, ".step-00000005.123.tmp"));
    expect(checkpointSteps(folder)).toEqual([1, 2, 3, 4]);
    pruneCheckpoints(folder, 2, [1]);
    expect(readdirSync(folder)).toEqual(["step-00000001", "step-00000003", "step-00000004"]);
    expect(checkpointPath(folder, 4)).toBe(join(folder, "step-00000004"));
  });
});
