import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
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
    // No Node and no packages on the path; the driver's two variables are those of the test suite.
    const { LD_LIBRARY_PATH = "", VK_ICD_FILENAMES = "" } = process.env;
    const go = (...args: string[]): void => {
      execFileSync("sh", [join(folder, "go.sh"), ...args], {
        env: {
          PATH: "/usr/bin:/bin",
          HOME: folder,
          LD_LIBRARY_PATH,
          ...(VK_ICD_FILENAMES ? { VK_ICD_FILENAMES } : {}),
        },
        stdio: ["ignore", "pipe", "pipe"],
      });
    };
    const tiny = ["--batch", "2", "--size", "32,16,16", "--filters", "2", "--rounds", "2", "--warmup", "1"];
    tiny.push("--tune-seconds", "5");
    go(...tiny, "--engines", "webgpu,webgpu-f16,torch");
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

    const config = join(folder, "protocol.yaml");
    writeFileSync(
      config,
      `method: { name: mean-teacher }
network: { name: unet, baseFilters: 2 }
data: { kind: phantom, shape: [16, 16], organs: 1, train: 4, validation: 1, test: 1, labeled: 2, patchSize: [16, 16] }
batch: { labeled: 1, unlabeled: 1 }
maxSteps: 3
run: unused
`,
    );
    go("protocol", "--config", config, "--engine", "webgpu");
    const { steps, curve, commit } = JSON.parse(readFileSync(join(folder, "gpu-protocol.json"), "utf8"));
    expect(steps).toBe(3);
    expect(curve).toHaveLength(3);
    expect(Number.isFinite(curve[2].loss) && Number.isFinite(curve[2].supervised)).toBe(true);
    expect(commit).toBe(result.commit);
  }, 400_000);
});
