/**
 * Trains every mix of examples/mixes for its 50 steps on 2-D phantoms and checks that all losses are finite and that every
 * term had a gradient. `node benchmarks/mixes/run.mjs`; the packages must be built.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { provenance, writeResult } from "../lib.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const mixes = join(root, "examples", "mixes");
const folder = mkdtempSync(join(tmpdir(), "semiseg-mixes-"));
const settings = ["data.shape=[32,32]", "data.patchSize=[32,32]", "data.workers=0", "network.baseFilters=2"];
const rows = [];
for (const file of readdirSync(mixes).filter((name) => name.endsWith(".yaml"))) {
  const run = join(folder, file);
  const set = settings.flatMap((setting) => ["--set", setting]);
  const command = ["packages/cli/bin/semiseg.js", "train", "--config", join(mixes, file), ...set, "--run", run];
  const { status, stderr } = spawnSync(process.execPath, [...command, "--no-evaluate", "--json"], {
    cwd: root,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`${file}: ${stderr}`);
  const steps = readFileSync(join(run, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
    .filter(({ kind }) => kind === "step");
  const terms = Object.keys(steps[0].terms).map((name) => {
    const norms = steps.map((step) => step.terms[name].gradientNorm ?? 0);
    return { name, stepsWithGradient: norms.filter((n) => n > 0).length, largestGradientNorm: Math.max(...norms) };
  });
  rows.push({
    mix: file.replace(".yaml", ""),
    steps: steps.length,
    finite: steps.every(({ loss }) => Number.isFinite(loss)),
    firstLoss: steps[0].loss,
    lastLoss: steps.at(-1).loss,
    terms,
  });
  console.log(
    file,
    steps.length,
    terms.map(({ name, stepsWithGradient }) => `${name} ${stepsWithGradient}`).join(", "),
  );
}
rmSync(folder, { recursive: true, force: true });
const failed = rows.filter((row) => !row.finite || row.terms.some((term) => term.stepsWithGradient === 0));
writeResult(join(root, "benchmarks", "results", "mixes.json"), { benchmark: "mixes", ...provenance(), settings, rows });
if (failed.length > 0) throw new Error(`not as they should be: ${failed.map(({ mix }) => mix).join(", ")}`);
