#!/usr/bin/env node
// Full-size networks beside PyTorch with the same weights: `node benchmarks/pytorch-equality/run.mjs [--engine NAME] [--out FILE]`
// The PyTorch side runs in $SEMISEG_PYTHON (default python3), which needs: pip install torch numpy safetensors
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { initBackend } from "@semiseg/runtime";
import * as tf from "@tensorflow/tfjs-core";
import { provenance, python, writeResult } from "../lib.mjs";
import { compareNetwork, LIMITS } from "./compare.mjs";

const { values } = parseArgs({
  options: {
    engine: { type: "string", default: "tensorflow" },
    out: { type: "string", default: fileURLToPath(new URL("../results/pytorch-equality.json", import.meta.url)) },
  },
});
const folder = mkdtempSync(join(tmpdir(), "semiseg-equality-"));
try {
  execFileSync(python, [fileURLToPath(new URL("reference.py", import.meta.url)), folder], { stdio: "inherit" });
  const torch = execFileSync(python, ["-c", "import torch; print(torch.__version__)"], { encoding: "utf8" }).trim();
  const engine = await initBackend({ prefer: values.engine, quiet: true });
  const networks = {};
  let failed = false;
  for (const name of ["vnet", "unet3d", "unet2d"]) {
    tf.engine().startScope();
    const result = compareNetwork(name, readFileSync(join(folder, `${name}.safetensors`)));
    tf.engine().endScope();
    networks[name] = result;
    const over = Object.entries(LIMITS).filter(([field, limit]) => !(result[field] < limit));
    failed ||= over.length > 0;
    console.log(`${name}: ${JSON.stringify(result)}${over.length > 0 ? ` OVER THE LIMIT: ${over}` : ""}`);
  }
  writeResult(values.out, {
    what: "largest relative difference to PyTorch with the same weights; `update`: relative error of one SGD step's change",
    ...provenance(),
    engine: `${engine.name} ${engine.version}`,
    torch,
    limits: LIMITS,
    networks,
  });
  process.exitCode = failed ? 1 : 0;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
