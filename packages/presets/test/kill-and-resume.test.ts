import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { testBackends } from "@semiseg/test-utils";
import { readJsonLines, runPaths } from "@semiseg/training";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const steps = 6;
// Inside the runtime package, which looks for itself above.
const bundles = fileURLToPath(new URL(`../../runtime/node_modules/.presets-test-${process.pid}`, import.meta.url));
const child = join(bundles, "train-child.mjs");
let root = "";

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "semiseg-presets-kill-"));
  mkdirSync(bundles, { recursive: true });
  await build({
    entryPoints: [fileURLToPath(new URL("helpers/train-child.ts", import.meta.url))],
    outfile: child,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    conditions: ["@semiseg/source"],
    external: ["@tensorflow/*", "h5wasm", "h5wasm/node", "fast-png", "fflate"],
    logLevel: "error",
  });
});
afterAll(() => {
  for (const folder of [root, bundles]) rmSync(folder, { recursive: true, force: true });
});

interface Exit {
  readonly signal: string | null;
  readonly last: string | undefined;
}

/** Trains in a real process, which gets a SIGKILL as soon as it says `killAfter`. */
function trainProcess(args: readonly string[], killAfter?: string): Promise<Exit> {
  return new Promise((resolve, reject) => {
    const started = spawn(process.execPath, [child, ...args, String(steps)], { stdio: ["ignore", "pipe", "pipe"] });
    let [text, errors] = ["", ""];
    started.stdout.on("data", (data) => {
      text += String(data);
      if (killAfter !== undefined && text.includes(`${killAfter}\n`)) started.kill("SIGKILL");
    });
    started.stderr.on("data", (data) => {
      errors += String(data);
    });
    started.on("error", reject);
    started.on("close", (code, signal) => {
      if (code !== 0 && !signal) reject(new Error(errors));
      else resolve({ signal, last: text.split("\n").filter(Boolean).at(-1) });
    });
  });
}

const curve = (folder: string) =>
  readJsonLines(runPaths(folder).metrics)
    .filter((record) => record["kind"] === "step")
    .map(({ step, loss, terms, log }) => ({ step, loss, terms, log }));

// One engine: what is saved and loaded is compared on all of them without processes, in the tests of the presets.
describe.each(testBackends.slice(-1))("a training process [%s]", (backend) => {
  it.each(["caml", "ducisc"])(
    "of %s that is killed and resumed has the losses, draws and memory of an uninterrupted one, bit by bit",
    async (method) => {
      const [whole, killed] = ["whole", "killed"].map((name) => join(root, `${backend}-${method}-${name}`)) as [
        string,
        string,
      ];
      const uninterrupted = await trainProcess([backend, method, whole]);
      // A step behind a checkpoint that holds the memory or the thresholds is lost.
      const { signal } = await trainProcess([backend, method, killed], "step 4");
      const last = await trainProcess([backend, method, killed]);
      expect(signal).toBe("SIGKILL");
      expect(curve(whole)).toHaveLength(steps);
      expect(curve(killed)).toEqual(curve(whole));
      expect(last.last).toBe(uninterrupted.last);
      expect(last.last).toMatch(/^\w+ [0-9a-f]{64}$/);
      const key = method === "caml" ? "omni correlation/memory" : "confidence/scale0/class0";
      expect((curve(whole).at(-1)!.log as Record<string, number>)[key]).toBeGreaterThan(0);
    },
    180_000,
  );
});
