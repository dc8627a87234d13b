import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "semiseg-gpu-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(process.platform !== "linux" || process.arch !== "x64")("the bundle for GPU machines", () => {
  it("is in parts under 60 MB, and measures with nothing installed, on a software driver here", () => {
    const script = fileURLToPath(new URL("../gpu/bundle.mjs", import.meta.url));
    execFileSync(process.execPath, [script, "--out", folder], { stdio: ["ignore", "pipe", "pipe"] });
    const parts = readdirSync(folder).filter((name) => name.startsWith("semiseg-gpu.tar.gz."));
    expect(parts.length).toBeGreaterThan(0);
    for (const name of parts) expect(statSync(join(folder, name)).size).toBeLessThan(60e6);
    const tiny = ["--batch", "2", "--size", "32,16,16", "--filters", "2", "--rounds", "2", "--warmup", "1"];
    tiny.push("--tune-seconds", "5");
    // No Node and no packages on the path; the driver's two variables are those of the test suite.
    const { LD_LIBRARY_PATH = "", VK_ICD_FILENAMES = "" } = process.env;
    execFileSync("sh", [join(folder, "go.sh"), ...tiny, "--engines", "webgpu,webgpu-f16,torch"], {
      env: { PATH: "/usr/bin:/bin", HOME: folder, LD_LIBRARY_PATH, ...(VK_ICD_FILENAMES ? { VK_ICD_FILENAMES } : {}) },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const result = JSON.parse(readFileSync(join(folder, "gpu-step.json"), "utf8"));
    expect(result.rounds).toBe(2);
    expect(result.secondsMedian.webgpu).toBeGreaterThan(0);
    expect(Number.isFinite(result.engines.webgpu.lastLoss)).toBe(true);
    const { tuned, notKept } = result.engines.webgpu.tuning;
    expect(tuned.length).toBeGreaterThan(0);
    expect(notKept).toBeUndefined();
    // Measured, or absent for the one reason there is.
    if (result.engines["webgpu-f16"]) expect(result.engines["webgpu-f16"].tuning.tuned[0].name).toMatch(/^\w+ f16 /);
    else expect(result.unavailable["webgpu-f16"]).toContain("needs shader-f16");
    expect(result.unavailable.torch ?? result.secondsMedian.torch).toBeTruthy();
    expect(result.commit).not.toBe("unknown");
  }, 300_000);
});
