import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OptionError } from "@semiseg/errors";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openRun, readRunJson } from "../src/index.js";

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "semiseg-run-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe("openRun", () => {
  it("writes configuration and split of a new run and keeps them when it is resumed", () => {
    const folder = join(root, "a", "b");
    const run = openRun({ folder, config: { seed: 1 }, split: { labeled: ["x"] } });
    writeFileSync(run.metrics, "{}\n");
    run.release();
    openRun({ folder, resume: true, config: { seed: 2 } }).release();
    expect(readRunJson(run.config)).toEqual({ seed: 1 });
    expect(JSON.parse(readFileSync(run.split, "utf8"))).toEqual({ labeled: ["x"] });
  });

  it("refuses a folder that holds a run unless told to resume it", () => {
    const run = openRun({ folder: root });
    writeFileSync(run.metrics, "");
    run.release();
    expect(() => openRun({ folder: root })).toThrow(OptionError);
    expect(() => openRun({ folder: root, resume: true }).release()).not.toThrow();
  });

  it("lets one process in at a time and takes over the lock of a dead one", () => {
    const run = openRun({ folder: root });
    expect(() => openRun({ folder: root })).toThrow(/in use by process/);
    run.release();
    expect(existsSync(join(root, "running.pid"))).toBe(false);
    writeFileSync(join(root, "running.pid"), "4194999");
    expect(() => openRun({ folder: root }).release()).not.toThrow();
  });
});
