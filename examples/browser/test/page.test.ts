import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generatePhantom } from "@semiseg/data/phantom";
import { encodeVolume } from "@semiseg/data/volume";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
// @ts-expect-error: plain JavaScript
import { buildPage } from "../build.mjs";
// @ts-expect-error: plain JavaScript
import { serve } from "../serve.mjs";

/** A Chromium on this machine, or null. */
function chromium(): string | null {
  for (const name of [process.env["CHROMIUM"], "chromium", "chromium-browser", "google-chrome"])
    if (name)
      try {
        execFileSync(name, ["--version"], { stdio: "ignore" });
        return name;
      } catch {
        // the next one
      }
  return null;
}

type Message = { readonly type: string } & Readonly<Record<string, unknown>>;

const browser = chromium();
if (!browser) console.warn("no Chromium on this machine (set CHROMIUM to one): the page is not tested");
let folder = "";
let running: ChildProcess | undefined;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "semiseg-browser-"));
  if (browser) await buildPage();
});
afterAll(() => {
  running?.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
});

/** Opens the page with a query and waits for what it has to tell. */
async function open(query: string): Promise<Message[]> {
  const { image } = generatePhantom(200, { shape: [24, 20, 16], organs: 2, noise: 0.15 });
  const files = { "/case.nii.gz": await encodeVolume("case.nii.gz", image) };
  let told: (log: Message[]) => void = () => {};
  const log = new Promise<Message[]>((resolve) => {
    told = resolve;
  });
  const { address, close } = await serve({ files, onReport: told });
  running = spawn(
    browser!,
    [
      "--headless=new",
      "--no-sandbox",
      "--enable-unsafe-webgpu",
      "--use-webgpu-adapter=swiftshader",
      `--user-data-dir=${join(folder, "profile")}`,
      `${address}?run=1&report=/report&${query}`,
    ],
    { stdio: "ignore" },
  );
  const gone = new Promise<never>((_, reject) => {
    running!.once("exit", (code) => reject(new Error(`Chromium ended with ${code} before the page reported`)));
  });
  gone.catch(() => {});
  try {
    return await Promise.race([log, gone]);
  } finally {
    running.kill("SIGKILL");
    close();
  }
}

const steps = (log: readonly Message[]) => log.filter(({ type }) => type === "step");

describe.skipIf(!browser)("the page in headless Chromium", () => {
  it("trains on WebGPU as on WebAssembly, and segments a NIfTI file by windows", async () => {
    const size = "steps=2&size=16&filters=2";
    const wasm = await open(`${size}&engine=wasm&volume=/case.nii.gz`);
    expect(wasm.find(({ type }) => type === "error")).toBeUndefined();
    expect(wasm[0]).toMatchObject({ type: "engine", name: "wasm" });
    expect(wasm.at(-1)).toMatchObject({ type: "segmented", shape: [24, 20, 16] });

    // No adapter is a failure, not a reason to fall back.
    const gpu = await open(`${size}&engine=webgpu`);
    expect(gpu.find(({ type }) => type === "error")).toBeUndefined();
    expect(gpu[0]).toMatchObject({ type: "engine", name: "webgpu" });
    expect(gpu[0]!["text"]).toMatch(/swiftshader.*\(software\)/i);
    expect(steps(gpu)).toHaveLength(2);
    for (const [i, step] of steps(gpu).entries()) {
      expect(Math.abs((step["loss"] as number) - (steps(wasm)[i]!["loss"] as number))).toBeLessThan(1e-4);
      expect(step["tensors"]).toBe(steps(gpu)[0]!["tensors"]);
    }
    expect(gpu.at(-1)).toMatchObject({ type: "trained", shape: [16, 16, 16] });
  }, 400_000);

  it("says what is wrong with a file and goes on", async () => {
    const log = await open("steps=1&size=16&filters=2&engine=wasm&volume=/index.html");
    expect(log.at(-1)).toMatchObject({ type: "error" });
    expect(log.at(-1)!["message"]).toMatch(/format|not a/i);
  }, 120_000);
});
