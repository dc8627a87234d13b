import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findChromium, reportOfPage } from "@semiseg/test-utils";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

/** Test files of other packages that a browser can run: golden values, gradients, leaks. */
const FILES = [
  "losses/test/losses",
  "mutual-consistency/test/mutual-consistency",
  "mutual-consistency/test/consistency-of-logits",
  "uncertainty/test/uncertainty",
];

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const browser = findChromium();
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "semiseg-webgpu-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 }));

describe.skipIf(!browser)("tests of other packages on WebGPU of headless Chromium", () => {
  it.each(FILES)(
    "%s",
    async (file) => {
      const { outputFiles } = await build({
        stdin: {
          contents: `import { runAll } from "vitest";
import "@semiseg/test-utils";
await import(${JSON.stringify(here(`../../${file}.test.ts`))});
const outcomes = await runAll().catch((error) => [{ name: "suite", fault: error.stack }]);
await fetch("/report", { method: "POST", body: JSON.stringify(outcomes) });`,
          resolveDir: here("."),
          loader: "ts",
        },
        bundle: true,
        format: "esm",
        platform: "browser",
        target: "es2022",
        mainFields: ["browser", "module", "main"],
        conditions: ["@semiseg/source"],
        alias: {
          vitest: here("./helpers/page/vitest.ts"),
          "@semiseg/test-utils": here("./helpers/page/test-utils.ts"),
        },
        external: ["node:*", "webgpu"],
        write: false,
        logLevel: "error",
      });
      const outcomes = (await reportOfPage({
        browser: browser!,
        profile: join(folder, "profile"),
        files: {
          "/": '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>',
          "/page.js": outputFiles[0]!.contents,
        },
      })) as { readonly name: string; readonly fault?: string }[];
      expect(outcomes.length).toBeGreaterThan(0);
      expect(outcomes.filter(({ fault }) => fault !== undefined)).toEqual([]);
    },
    300_000,
  );
});
