/**
 * Patches per second of the training pipeline, cold (read, normalise, keep in memory) and cached (crop, flip, rotate,
 * batch), beside MONAI's CacheDataset and DataLoader doing the same to the same files; rounds of both alternate.
 *
 *   npm run build && SEMISEG_DATA=... SEMISEG_PYTHON=python3 node benchmarks/data/throughput.mjs [--save]
 *
 * Python needs: pip install monai torch nibabel. Neither side gets more than one loading thread or process.
 */
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { batchPlan, createBatchLoader, openDataset } from "@semiseg/data";
import { busyCores, python as interpreter, median, provenance, writeResult } from "../lib.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = process.env.SEMISEG_DATA;
const ROUNDS = 3;

async function compare(config, { count, patchSize, batch, batches, workers }) {
  const dataset = await openDataset(config);
  const cases = dataset.cases.slice(0, count);
  const normalize = dataset.preprocess.normalize === "zscore";
  const setup = { cases: cases.map((c) => ({ image: c.image, label: c.label })), patchSize, batch, workers, normalize };
  const python = spawn(interpreter, [join(here, "throughput.py"), JSON.stringify(setup)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: python.stdout })[Symbol.asyncIterator]();
  const monai = async (command) => {
    python.stdin.write(`${command}\n`);
    return JSON.parse((await lines.next()).value);
  };
  const ids = cases.map((c) => c.id);
  const plan = batchPlan({ labeled: ids, unlabeled: [], labeledBatchSize: batch, unlabeledBatchSize: 0, seed: 1 });
  const open = (p) => createBatchLoader({ dataset, plan: p, patchSize, seed: 1, workers, queue: 4 });
  const cold = { semiseg: [], monai: [] };
  const cached = { semiseg: [], monai: [] };
  let version = "";
  // Cold: every case once through a new loader, one by one, so that nothing is kept from before; a worker's start counts.
  const ownCold = async () => {
    const began = performance.now();
    const loader = open((step) => ({ labeled: [ids[step % ids.length]], unlabeled: [] }));
    for (let step = 0; step < ids.length; step++) await loader.next(step);
    cold.semiseg.push(ids.length / ((performance.now() - began) / 1000));
    await loader.close();
  };
  const ownCached = async () => {
    const warm = open(plan);
    for (let step = 0; step < ids.length; step++) await warm.next(step);
    const began = performance.now();
    for (let step = 0; step < batches; step++) await warm.next(ids.length + step);
    cached.semiseg.push((batches * batch) / ((performance.now() - began) / 1000));
    await warm.close();
  };
  const theirCold = async () => {
    const built = await monai("cold");
    cold.monai.push(built.patches / built.seconds);
    version = built.version;
  };
  const theirCached = async () => {
    const drawn = await monai(`cached ${batches}`);
    cached.monai.push(drawn.patches / drawn.seconds);
  };
  for (let round = 0; round < ROUNDS; round++) {
    // Who begins alternates.
    const pairs = [
      [ownCold, theirCold],
      [ownCached, theirCached],
    ];
    for (const pair of pairs) for (const turn of round % 2 ? pair.reverse() : pair) await turn();
  }
  python.stdin.end();
  console.error(`${dataset.name}, ${workers} workers: done`);
  const summary = ({ semiseg, monai: other }) => ({
    semiseg: +median(semiseg).toFixed(1),
    monai: +median(other).toFixed(1),
    ratio: +(median(semiseg) / median(other)).toFixed(2),
    rounds: { semiseg: semiseg.map((x) => +x.toFixed(1)), monai: other.map((x) => +x.toFixed(1)) },
  });
  return {
    dataset: dataset.name,
    cases: count,
    patchSize,
    batch,
    workers,
    monaiVersion: version,
    cold: summary(cold),
    cached: summary(cached),
  };
}

const results = [];
for (const workers of [0, 1]) {
  results.push(
    await compare(
      { kind: "msd", path: join(root, "hippocampus") },
      { count: 40, patchSize: [32, 48, 32], batch: 4, batches: 60, workers },
    ),
  );
  results.push(
    await compare(
      { kind: "la", path: join(root, "left-atrium") },
      { count: 10, patchSize: [112, 112, 80], batch: 4, batches: 10, workers },
    ),
  );
}
const report = {
  ...provenance(),
  busyCoresOfOthers: +(await busyCores()).toFixed(2),
  unit: "patches per second, median of rounds that alternate",
  results,
};
console.log(JSON.stringify(report, null, 2));
if (process.argv.includes("--save")) writeResult(join(here, "../results/data-throughput.json"), report);
