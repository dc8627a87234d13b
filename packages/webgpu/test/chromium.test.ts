import { findChromium } from "@semiseg/test-utils";
import { describe, expect, it } from "vitest";
import { CASES } from "./helpers/rank5-cases.js";
import { runInChromium } from "./helpers/run-in-chromium.js";

interface Report {
  readonly fault?: string;
  readonly software?: boolean;
  readonly cases?: readonly { readonly name: string; readonly errors: readonly number[]; readonly fault?: string }[];
}

const browser = findChromium();

describe.skipIf(!browser)("WebGPU of headless Chromium", () => {
  it("equals the cpu backend within 2e-5 relative in every case, values and gradients", async () => {
    const { fault, software, cases } = (await runInChromium(
      browser!,
      `import { runCases } from "./rank5-page.js";
const report = await runCases().catch((error) => ({ fault: error.message }));
await fetch("/report", { method: "POST", body: JSON.stringify(report) });`,
    )) as Report;
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
