import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findChromium, reportOfPage } from "@semiseg/test-utils";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CASES } from "./helpers/rank5-cases.js";

interface Report {
  readonly fault?: string;
  readonly software?: boolean;
  readonly cases?: readonly { readonly name: string; readonly errors: readonly number[]; readonly fault?: string }[];
}

const browser = findChromium();
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "semiseg-webgpu-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 }));

describe.skipIf(!browser)("WebGPU of headless Chromium", () => {
  it("equals the cpu backend within 2e-5 relative in every case, values and gradients", async () => {
    const { outputFiles } = await build({
      entryPoints: [fileURLToPath(new URL("./helpers/rank5-page.ts", import.meta.url))],
      bundle: true,
      format: "esm",
      platform: "browser",
      mainFields: ["browser", "module", "main"],
      conditions: ["@semiseg/source"],
      external: ["webgpu"],
      write: false,
      logLevel: "error",
    });
    const { fault, software, cases } = (await reportOfPage({
      browser: browser!,
      profile: join(folder, "profile"),
      files: {
        "/": '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>',
        "/page.js": outputFiles[0]!.contents,
      },
    })) as Report;
    // No adapter is a failure, not a reason to skip.
    expect(fault).toBeUndefined();
    expect(software).toBe(true);
    expect(cases!.map(({ name }) => name)).toEqual(CASES.map(({ name }) => name));
    for (const { name, errors, fault: own } of cases!) {
      expect(own, name).toBeUndefined();
      for (const error of errors) expect(error, name).toBeLessThanOrEqual(2e-5);
    }
  }, 500_000);
});
