#!/usr/bin/env node
// Thousands of steps of CAML and DuCiSC on random images with random labels: losses stay finite, tensors and memory flat.
// node --expose-gc benchmarks/caml/long-run.mjs [--steps 2000] [--method caml]... [--out FILE]
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { afterStep, createStepContext, ExponentialMovingAverage, methodGradients } from "@semiseg/method";
import { RandomStream, sgd } from "@semiseg/nn";
import { caml, duCiSc } from "@semiseg/presets";
import { initBackend } from "@semiseg/runtime";
import * as tf from "@tensorflow/tfjs-core";
import { provenance, writeResult } from "../lib.mjs";

const { values } = parseArgs({
  options: {
    steps: { type: "string", default: "2000" },
    method: { type: "string", multiple: true, default: ["caml", "ducisc"] },
    out: { type: "string" },
  },
});
const maxSteps = Number(values.steps);
const { name: engine, version } = await initBackend({ prefer: "tensorflow", quiet: true });
const network = { spatialDims: 2, baseFilters: 1, outChannels: 3, normalization: "group", dropout: 0.2 };
const size = [16, 16];
const scans = 4;
const builders = {
  caml: () => caml({ network, correlation: { perClass: 16, capacityPerClass: 64 } }),
  ducisc: () => duCiSc({ network }),
};

/** Images of noise; labels that have nothing to do with them. */
function batchOf(step, random) {
  const stream = random.fork(step);
  const ids = (prefix, count) => Array.from({ length: 2 }, (_, i) => `${prefix}${(2 * step + i) % count}`);
  return {
    labeled: {
      image: stream.normal([2, ...size, 1]),
      labels: tf.tensor(stream.integers(0, 3, 2 * size[0] * size[1]), [2, ...size], "int32"),
      ids: ids("scan", scans),
    },
    unlabeled: { image: stream.normal([2, ...size, 1]), ids: ids("unlabelled", 100) },
  };
}

async function run(name) {
  const method = builders[name]();
  const optimizer = sgd({ learningRate: 0.01, momentum: 0.9, weightDecay: 1e-4 });
  const average = method.teacher
    ? new ExponentialMovingAverage(method.student, method.teacher.network, method.teacher.config)
    : null;
  const random = new RandomStream(7);
  const rows = [];
  const began = performance.now();
  for (let step = 0; step < maxSteps; step++) {
    const batch = batchOf(step, random);
    const context = createStepContext(method, batch, { step, maxSteps, random });
    // Throws when a loss is not finite.
    const { total, gradients } = await methodGradients(method, context);
    optimizer.apply(gradients, method.trainable.named, step);
    average?.update(step);
    await afterStep(method, context);
    tf.dispose([...gradients.values()]);
    context.dispose();
    tf.dispose([batch.labeled.image, batch.labeled.labels, batch.unlabeled.image]);
    if ((step + 1) % (maxSteps / 20) === 0) {
      globalThis.gc?.();
      const bank = method.terms.find((term) => term.bank)?.bank;
      rows.push({
        step: step + 1,
        loss: total,
        tensors: tf.memory().numTensors,
        tensorBytes: tf.memory().numBytes,
        residentBytes: process.memoryUsage().rss,
        ...(bank ? { bankBytes: bank.bytes, bankScans: bank.scanIds.length } : {}),
      });
      process.stderr.write(`\r${name}: step ${step + 1} of ${maxSteps}   `);
    }
  }
  process.stderr.write("\r");
  method.dispose();
  // The first quarter fills caches and pools.
  const after = rows.slice(rows.length / 4 - 1);
  const resident = after.map(({ residentBytes }) => residentBytes);
  const result = {
    method: name,
    steps: maxSteps,
    seconds: (performance.now() - began) / 1000,
    tensorsFlat: new Set(after.map(({ tensors }) => tensors)).size === 1,
    residentGrowthBytes: Math.max(...resident) - resident[0],
    allFinite: rows.every(({ loss }) => Number.isFinite(loss)),
    rows,
  };
  const mebibytes = (bytes) => (bytes / 2 ** 20).toFixed(1);
  console.log(
    `${name}: ${maxSteps} steps, ${result.tensorsFlat ? "tensors flat" : "TENSORS GROW"} at ${after[0].tensors}, resident memory ${mebibytes(resident[0])} MiB after ${after[0].step} steps and at most ${mebibytes(result.residentGrowthBytes)} MiB more after that, last loss ${rows.at(-1).loss.toFixed(3)}`,
  );
  return result;
}

const results = [];
for (const name of values.method) results.push(await run(name));
const out = values.out ?? fileURLToPath(new URL("../results/long-run.json", import.meta.url));
writeResult(out, { benchmark: "long-run", ...provenance(), engine: `${engine} ${version}`, network, size, results });
console.log(`written: ${out}`);
