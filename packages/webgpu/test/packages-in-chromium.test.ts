import { findChromium } from "@semiseg/test-utils";
import { describe, expect, it } from "vitest";
import { here, runInChromium } from "./helpers/run-in-chromium.js";

/** Test files of other packages that a browser can run: golden values, gradients, leaks. */
const FILES = [
  "losses/test/losses",
  "mutual-consistency/test/mutual-consistency",
  "mutual-consistency/test/consistency-of-logits",
  "uncertainty/test/uncertainty",
  "mutual-consistency/test/properties",
  "mutual-consistency/test/terms",
  "mutual-consistency/test/memory-budget",
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
    300_000,
  );
});
