import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeReport } from "@semiseg/training";
import { expect, it } from "vitest";
import { runPaths } from "../src/run/run-folder.js";

it("writeReport says which share of the steps' time was spent waiting for data", () => {
  const run = mkdtempSync(join(tmpdir(), "semiseg-report-"));
  try {
    const steps = [
      { kind: "step", step: 0, loss: 1, terms: {}, stepsPerSecond: 2, waitedMs: 200 },
      { kind: "step", step: 1, loss: 1, terms: {}, stepsPerSecond: 2, waitedMs: 50 },
    ];
    writeFileSync(runPaths(run).metrics, steps.map((s) => JSON.stringify(s)).join("\n"));
    expect(readFileSync(writeReport({ run }), "utf8").replace(/<[^>]+>/g, " ")).toMatch(/waiting for data\s+25\.0 %/);
  } finally {
    rmSync(run, { recursive: true });
  }
});
