import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BackendError } from "@semiseg/errors";
import { findBackendFactory, removeBackend } from "@tensorflow/tfjs-core";
import { afterEach, describe, expect, it } from "vitest";
import { installedTfjsNode, loadInstalled } from "../src/engine/load-installed.js";

/** A project with a tfjs-node of its own whose main file is `code`. */
function project(code: string, name = "@tensorflow/tfjs-node"): string {
  const folder = mkdtempSync(join(tmpdir(), "semiseg-installed-"));
  const inside = join(folder, "node_modules", name);
  mkdirSync(inside, { recursive: true });
  writeFileSync(join(folder, "package.json"), "{}");
  writeFileSync(join(inside, "package.json"), JSON.stringify({ name, version: "4.22.0", main: "index.js" }));
  writeFileSync(join(inside, "index.js"), code);
  return folder;
}

const core = JSON.stringify(createRequire(import.meta.url).resolve("@tensorflow/tfjs-core"));
const folders: string[] = [];
const made = (folder: string): string => {
  folders.push(folder);
  return folder;
};

afterEach(() => {
  if (findBackendFactory("tensorflow")) removeBackend("tensorflow");
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

describe("an installed tfjs-node", () => {
  it("is found in the user's project, and only the variant that is there", () => {
    const folder = made(project(""));
    expect(installedTfjsNode("cpu", folder)).toContain("tfjs-node");
    expect(installedTfjsNode("gpu", folder)).toBeNull();
    expect(loadInstalled("gpu", folder)).toBeNull();
  });

  it("that does not load is an error with the remedy", () => {
    const folder = made(project('throw new Error("libtensorflow.so.2: cannot open shared object file");'));
    expect(() => loadInstalled("cpu", folder)).toThrow(BackendError);
    expect(() => loadInstalled("cpu", folder)).toThrow("semiseg-runtime setup");
  });

  it("on another copy of tfjs-core is refused, as its tensors would not be ours", () => {
    const folder = made(project("module.exports = {};"));
    expect(() => loadInstalled("cpu", folder)).toThrow("another copy of @tensorflow/tfjs-core");
  });

  it("that registers its backend with our tfjs-core is used", () => {
    const folder = made(
      project(`require(${core}).registerBackend("tensorflow", () => { throw new Error("not started here"); });
module.exports = { version: { "tfjs-node": "4.22.0" } };`),
    );
    expect(loadInstalled("cpu", folder)).toEqual({ version: "4.22.0" });
  });
});
