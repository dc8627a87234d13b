#!/usr/bin/env node
// Trains by a configuration, the left-atrium protocol with 8 labelled scans by default, for as many steps as fit into some
// minutes, and writes the loss curve. node benchmarks/gpu/protocol.mjs --help
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { readJsonLines, runPaths } from "@semiseg/training";
import { median, provenance, writeResult } from "../lib.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));
const { values } = parseArgs({
  options: {
    config: { type: "string", default: join(root, "examples/ug-mcl/la.yaml") },
    engine: { type: "string", default: "cuda" },
    precision: { type: "string", default: "float32" },
    minutes: { type: "string", default: "5" },
    set: { type: "string", multiple: true, default: [] },
    out: { type: "string", default: join(root, "benchmarks/results/gpu-protocol.json") },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(`bench:gpu-protocol [--config examples/ug-mcl/la.yaml] [--engine cuda] [--precision float32] [--minutes 5]
                   [--set key=value]... [--out FILE]
Needs SEMISEG_DATA, the folder that holds left-atrium/. The run ends after --minutes, or with its configuration's last
step; the result has the loss and its terms of every step, and the median time of one after the first ten.`);
  process.exit(0);
}
const run = mkdtempSync(join(tmpdir(), "semiseg-protocol-"));
// Its main file is another package's affair: the command lies beside the manifest.
const command = join(dirname(createRequire(import.meta.url).resolve("semiseg/package.json")), "bin/semiseg.js");
const settings = values.set.flatMap((setting) => ["--set", setting]);
const { engine, precision, config } = values;
const args = ["train", "--config", config, "--engine", engine, "--precision", precision, "--run", run, "--no-evaluate"];
const child = spawn(process.execPath, [command, ...args, ...settings], { stdio: "inherit" });
// The first signal makes it save and end.
const timer = setTimeout(() => child.kill("SIGINT"), 60_000 * Number(values.minutes));
const status = await new Promise((resolve) => child.on("exit", resolve));
clearTimeout(timer);
const steps = readJsonLines(runPaths(run).metrics).filter(({ kind }) => kind === "step");
rmSync(run, { recursive: true, force: true });
if (steps.length === 0) throw new Error(`no step was made; the run ended with status ${status}`);
const settled = steps.slice(steps.length > 20 ? 10 : 0);
writeResult(values.out, {
  benchmark: "gpu-protocol",
  ...provenance(),
  config: config.startsWith(root) ? config.slice(root.length) : config,
  settings: values.set,
  engine,
  precision,
  steps: steps.length,
  secondsMedian: median(settled.map(({ stepsPerSecond }) => 1 / stepsPerSecond)),
  curve: steps.map(({ step, loss, terms }) => ({
    step,
    loss,
    ...Object.fromEntries(Object.entries(terms).map(([name, { value }]) => [name, value])),
  })),
});
console.log(`${steps.length} steps, loss ${steps[0].loss.toPrecision(3)} to ${steps.at(-1).loss.toPrecision(3)}`);
console.log(`written: ${values.out}`);
