#!/usr/bin/env node
// What runs of examples/tac show: test Dice per class, and whether class vectors collapsed.
// node benchmarks/tac/runs.mjs [--out FILE] NAME=runs/folder...
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { provenance, writeResult } from "../lib.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { out: { type: "string", default: fileURLToPath(new URL("../results/tac-runs.json", import.meta.url)) } },
});
const readJson = (path) => JSON.parse(readFileSync(path, "utf8"));
const mean = (list) => list.reduce((a, b) => a + b, 0) / list.length;
const round = (value) => Number(value.toPrecision(4));

/** First, smallest and last tenth of every logged norm and spread, by quantity and level. */
function vectorsOf(steps) {
  const found = {};
  for (const name of Object.keys(steps[0].log ?? {})) {
    const [, level, what] = /^class vectors\/(.+)\/(.+)$/.exec(name) ?? [];
    if (what === undefined) continue;
    const all = steps.map(({ log }) => log[name]);
    const last = mean(all.slice(-Math.ceil(all.length / 10)));
    found[what] ??= {};
    found[what][level] = { first: round(all[0]), smallest: round(Math.min(...all)), lastTenth: round(last) };
  }
  return found;
}

function diceOf(folder) {
  const file = join(folder, "evaluation.json");
  if (!existsSync(file)) return null;
  const [{ cases, classNames, model }] = readJson(file);
  const rows = cases.flatMap((one) => one.rows).filter(({ metric }) => metric === "dice");
  const perClass = classNames.slice(1).map((name, i) => {
    const own = rows.filter((row) => row.class === i + 1);
    return [
      name,
      { dice: round(mean(own.map(({ value }) => value))), missed: own.filter(({ missed }) => missed).length },
    ];
  });
  return { model, cases: cases.length, perClass: Object.fromEntries(perClass) };
}

const runs = positionals.map((argument) => {
  const at = argument.indexOf("=");
  const [name, folder] = [argument.slice(0, at), argument.slice(at + 1)];
  const lines = readFileSync(join(folder, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const steps = lines.filter(({ kind }) => kind === "step");
  const { method, network, seed, maxSteps } = readJson(join(folder, "config.json"));
  const test = diceOf(folder);
  return {
    name,
    method,
    network,
    seed,
    maxSteps,
    stepsDone: steps.length,
    ...(test ? { test } : {}),
    classVectors: vectorsOf(steps),
  };
});
writeResult(values.out, { benchmark: "tac-runs", ...provenance(), runs });
for (const { name, test, classVectors } of runs) {
  if (test) console.log(name, JSON.stringify(test.perClass));
  for (const [what, levels] of Object.entries(classVectors)) {
    const kept = Object.values(levels).map(({ first, lastTenth }) => lastTenth / first);
    console.log(
      `${name}: ${what} at the end is ${Math.min(...kept).toFixed(2)} to ${Math.max(...kept).toFixed(2)} of the first`,
    );
  }
}
