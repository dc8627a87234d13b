import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testBackends } from "@semiseg/test-utils";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkpointSteps, readJsonLines, runPaths } from "../src/index.js";
import { bundle, bundleFolder } from "./helpers/bundle.js";

const steps = 14;
let root = "";
let child = "";
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "semiseg-kill-"));
  child = await bundle("helpers/train-child.ts");
});
afterAll(() => {
  rmSync(root, { recursive: true, force: true });
  rmSync(bundleFolder, { recursive: true, force: true });
});

interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
  readonly lines: readonly string[];
}

/** Trains in a real process; `kill` says after which line, and how many milliseconds later, it gets a SIGKILL. */
function trainProcess(
  backend: string,
  folder: string,
  kill?: { readonly after: string; readonly delay: number },
  shell?: string,
): Promise<Exit> {
  return new Promise((resolve, reject) => {
    const args = [child, backend, folder, String(steps)];
    const started = shell
      ? spawn("bash", ["-c", `${shell}; exec "$0" "$@"`, process.execPath, ...args], {
          stdio: ["ignore", "pipe", "pipe"],
        })
      : spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    let text = "";
    let errors = "";
    let armed = true;
    started.stdout.on("data", (data) => {
      text += String(data);
      if (kill && armed && text.includes(`${kill.after}\n`)) {
        armed = false;
        setTimeout(() => started.kill("SIGKILL"), kill.delay);
      }
    });
    started.stderr.on("data", (data) => {
      errors += String(data);
    });
    started.on("error", reject);
    started.on("close", (code, signal) => {
      if (!text && code !== 0 && !signal) reject(new Error(errors));
      else resolve({ code, signal, lines: text.split("\n").filter(Boolean) });
    });
  });
}

const curve = (folder: string) =>
  readJsonLines(runPaths(folder).metrics)
    .filter((record) => record["kind"] === "step" || record["kind"] === "validation")
    .map(({ step, kind, loss, terms, dice, gradientNorm }) => ({ step, kind, loss, terms, dice, gradientNorm }));

describe.each(testBackends)("a training process [%s]", (backend) => {
  let whole: ReturnType<typeof curve> = [];
  beforeAll(async () => {
    const folder = join(root, `${backend}-whole`);
    const exit = await trainProcess(backend, folder);
    expect(exit).toMatchObject({ code: 0, signal: null });
    whole = curve(folder);
    expect(whole).toHaveLength(steps + 3);
  });

  it("killed with SIGKILL again and again and resumed has the losses of an uninterrupted one, bit by bit", async () => {
    const folder = join(root, `${backend}-killed`);
    let kills = 0;
    // Delays reach into the step, the log, the validation and the checkpoint that follow a line.
    for (const [after, delay] of [
      ["step 0", 0],
      ["step 2", 1],
      ["step 4", 3],
      ["step 5", 0],
      ["step 8", 2],
      ["step 11", 0],
    ] as const) {
      const exit = await trainProcess(backend, folder, { after, delay });
      if (exit.signal === "SIGKILL") kills++;
    }
    expect(kills).toBeGreaterThanOrEqual(4);
    const last = await trainProcess(backend, folder);
    expect(last).toMatchObject({ code: 0, signal: null });
    expect(curve(folder)).toEqual(whole);
    expect(checkpointSteps(runPaths(folder).checkpoints)).toContain(steps);
  });

  it.runIf(process.platform !== "win32")(
    "that may write no more bytes ends with a typed error and can be resumed to the same losses",
    async () => {
      const folder = join(root, `${backend}-full`);
      // No file may grow beyond 4 KiB: the log of a few steps.
      const full = await trainProcess(backend, folder, undefined, "ulimit -f 4");
      expect(full.code).toBe(1);
      expect(full.lines.at(-1)).toMatch(/^DiskFullError: no space left while writing .*metrics\.jsonl/);
      expect((await trainProcess(backend, folder)).code).toBe(0);
      expect(curve(folder)).toEqual(whole);
    },
  );
});
