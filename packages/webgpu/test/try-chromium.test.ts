import { findChromium } from "@semiseg/test-utils";
import { describe, expect, it } from "vitest";
import { here, runInChromium } from "./helpers/run-in-chromium.js";

/** Test files of other packages that a browser can run: golden values, gradients, leaks. */
const FILES = [
  "correlation/test/correlation-loss",
  "correlation/test/correlation",
  "correlation/test/cross-sample-mutual-attention",
  "correlation/test/omni-correlation-term",
  "icl-proxies/test/icl-losses",
  "icl-proxies/test/proxy-attention",
  "icl-proxies/test/proxy-modules",
  "prototype-alignment/test/losses",
  "prototype-alignment/test/prototype-alignment",
  "task-affinity/test/task-affinity",
  "task-affinity/test/terms",
];

const browser = findChromium();

describe.skipIf(!browser)("tests of other packages on WebGPU of headless Chromium", () => {
  it.each(FILES)(
    "%s",
    async (file) => {
      const outcomes = (await runInChromium(
        browser!,
        `import { runAll } from "vitest";
import "@semiseg/test-utils";
await import(${JSON.stringify(here(`../../../${file}.test.ts`))});
const outcomes = await runAll().catch((error) => [{ name: "suite", fault: error.stack }]);
await fetch("/report", { method: "POST", body: JSON.stringify(outcomes) });`,
        { vitest: here("./page/vitest.ts"), "@semiseg/test-utils": here("./page/test-utils.ts") },
      )) as { readonly name: string; readonly fault?: string }[];
      expect(outcomes.length).toBeGreaterThan(0);
      expect(outcomes.filter(({ fault }) => fault !== undefined)).toEqual([]);
    },
    90_000,
  );
});
