import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { generatePhantom } from "@semiseg/data/phantom";
import { encodeVolume } from "@semiseg/data/volume";
import { findChromium, reportOfPage } from "@semiseg/test-utils";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
// @ts-expect-error: plain JavaScript
import { buildPage } from "../build.mjs";

type Message = { readonly type: string } & Readonly<Record<string, unknown>>;

const browser = findChromium();
const files: Record<string, Uint8Array | string> = {};
let folder = "";
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "semiseg-browser-"));
  if (!browser) return;
  const dist = (await buildPage(join(folder, "dist"))) as string;
  for (const name of readdirSync(dist)) files[`/dist/${name}`] = readFileSync(join(dist, name));
  files["/"] = readFileSync(fileURLToPath(new URL("../index.html", import.meta.url)), "utf8");
  const { image } = generatePhantom(200, { shape: [24, 20, 16], organs: 2, noise: 0.15 });
  files["/case.nii.gz"] = await encodeVolume("case.nii.gz", image);
});
afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 }));

const open = async (query: string): Promise<Message[]> =>
  (await reportOfPage({
    browser: browser!,
    files,
    query: `?run=1&report=/report&${query}`,
  })) as Message[];
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
    const log = await open("steps=1&size=16&filters=2&engine=wasm&volume=/dist/page.js");
    expect(log.at(-1)).toMatchObject({ type: "error" });
    expect(log.at(-1)!["message"]).toMatch(/format|not a/i);
  }, 120_000);
});
