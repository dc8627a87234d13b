import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll } from "vitest";
import type { OperatorCall } from "../../src/engine/cuda/self-check.js";

const own = createRequire(import.meta.url);

/** Folder of the operators' sources. */
export const NATIVE = join(import.meta.dirname, "..", "..", "native");

/** Runs the C++ compiler; throws what it says when it fails. */
export function compile(args: readonly string[]): void {
  execFileSync(process.env["CXX"] ?? "g++", [...args], { stdio: "pipe" });
}

/** Folder of the headers that Node addons include. */
export const napiHeaders = (): string => join(dirname(own.resolve("node-api-headers/package.json")), "include");

/** Options for a Node addon around the emulator. */
export const emulatorOptions = (): string[] => [
  ...["-std=c++17", "-O1", "-shared", "-fPIC", "-fno-strict-aliasing", "-Wall", "-Wextra", "-Werror"],
  ...["-Wno-unknown-pragmas", "-DNAPI_VERSION=8", `-I${NATIVE}`, `-I${napiHeaders()}`],
];

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** Where a built file of a test goes: into a folder of its own that goes when the file's tests are done. */
export function scratch(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), "semiseg-cuda-"));
  folders.push(folder);
  return join(folder, name);
}

type Run = (
  op: string,
  inputs: readonly (Float32Array | Int32Array)[],
  outputs: readonly number[],
  ints: readonly number[],
  floats: readonly number[],
  backwards: boolean,
) => Float32Array[];

/** Sizes of the results, and what the launch sequences take beside pointers: as operators_cuda.cc derives them. */
function argumentsOf({ op, inputs, attrs }: OperatorCall): [outputs: number[], ints: number[], floats: number[]] {
  const size = (i: number): number => inputs[i]!.values.length;
  const { ints = {}, floats = {}, bools = {} } = attrs as Record<string, Record<string, number> | undefined>;
  const count = ints["count"]!;
  const sizes = (roles: number): number[] =>
    Array.from({ length: roles }, () => Array.from({ length: count }, (_, i) => size(i))).flat();
  switch (op) {
    case "SemisegNorm":
    case "SemisegNormGradient": {
      const at = op === "SemisegNorm" ? 0 : 1;
      const [channels, all, groups] = [size(at + 1), size(at), ints["groups"]!];
      const samples = groups < 0 ? all / channels : inputs[at]!.shape[0]!;
      const layout = [samples, all / channels / Math.max(1, samples), channels, groups < 0 ? 1 : groups];
      const sets = groups === 0 ? channels : samples * Math.max(1, groups);
      return [
        at === 0 ? [all, sets, sets] : [all, channels, channels],
        [...layout, Number(bools["relu"])],
        [floats["epsilon"]!],
      ];
    }
    case "SemisegReluGradient":
      return [[size(0)], [], [floats["slope"]!]];
    case "SemisegGelu":
    case "SemisegGeluGradient":
      return [[size(0)], [], []];
    case "SemisegSgd":
      return [sizes(2), [count, Number(bools["nesterov"])], []];
    case "SemisegAdamW":
      return [sizes(3), [count], []];
    case "SemisegEma":
      return [sizes(1), [count], []];
    default: {
      const [voxels, classes] = [size(1), inputs[0]!.shape.at(-1)!];
      const results = op === "SemisegSegmentationSums" ? [1, classes, classes, classes, classes] : [size(0)];
      return [results, [voxels, classes], []];
    }
  }
}

/**
 * Builds the emulator around the CUDA kernels and their launch sequences. With `backwards` blocks and threads take turns
 * from the last to the first.
 */
export function buildEmulator(): (call: OperatorCall, backwards?: boolean) => Float32Array[] {
  const output = scratch("emulator.node");
  compile([...emulatorOptions(), join(import.meta.dirname, "cuda-emulator.cc"), "-o", output]);
  const { run } = own(output) as { run: Run };
  return (call, backwards = false) => {
    const inputs = call.inputs.map(({ values }) => values);
    return run(call.op, inputs, ...argumentsOf(call), backwards);
  };
}
