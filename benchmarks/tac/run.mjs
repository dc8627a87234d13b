#!/usr/bin/env node
// What TAC's pooling at all nine levels adds to a supervised step, interleaved in one run.
// node benchmarks/tac/run.mjs [--size 112,112,80] [--half 1] [--filters 16] [--rounds 7] [--out FILE]
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { composeMethod, createStepContext, methodGradients } from "@semiseg/method";
import { RandomStream, sgd } from "@semiseg/nn";
import { tac } from "@semiseg/presets";
import { initBackend } from "@semiseg/runtime";
import * as tf from "@tensorflow/tfjs-core";
import { busyCores, median, provenance, writeResult } from "../lib.mjs";

const { values } = parseArgs({
  options: {
    size: { type: "string", default: "112,112,80" },
    half: { type: "string", default: "1" },
    filters: { type: "string", default: "16" },
    rounds: { type: "string", default: "7" },
    engine: { type: "string", default: "tensorflow" },
    out: { type: "string", default: fileURLToPath(new URL("../results/tac-pooling.json", import.meta.url)) },
  },
});
const size = values.size.split(",").map(Number);
const [half, rounds] = [Number(values.half), Number(values.rounds)];
const backend = await initBackend({ prefer: values.engine, quiet: true });
const random = new RandomStream(1);
const shape = [half, ...size];
const image = () => random.normal([...shape, 1]);
const labels = tf.tidy(() =>
  tf.cast(tf.greater(tf.tensor(random.uniform(tf.util.sizeFromShape(shape)), shape), 0.7), "int32"),
);
const ids = (name) => Array.from({ length: half }, (_, i) => `${name} ${i}`);
const batch = { labeled: { image: image(), labels, ids: ids("a") }, unlabeled: { image: image(), ids: ids("b") } };

// One network and one batch for both: the supervised step runs the same joint pass, forward and backward.
const whole = tac({ network: { baseFilters: Number(values.filters), seed: 0 } });
const [supervised, structural, contextual] = whole.terms;
const method = (name, terms) => composeMethod({ name, student: whole.student, terms });
const methods = {
  supervised: method("supervised", [supervised]),
  both: method("both", [supervised, structural, contextual]),
};
const optimizer = sgd({ learningRate: 0.01, momentum: 0.9, weightDecay: 1e-4 });
let step = 0;

async function trainStep(of) {
  const [begin, used] = [performance.now(), process.cpuUsage()];
  const context = createStepContext(of, batch, { step, maxSteps: 1000, random });
  const { gradients } = await methodGradients(of, context);
  optimizer.apply(gradients, of.trainable.named, step++);
  const some = [...gradients.values()].at(-1);
  await some.data();
  tf.dispose([...gradients.values()]);
  context.dispose();
  const { user, system } = process.cpuUsage(used);
  return { seconds: (performance.now() - begin) / 1000, cpuSeconds: (user + system) / 1e6 };
}

const records = Object.fromEntries(Object.keys(methods).map((name) => [name, []]));
let disturbed = 0;

/** Medians of a quantity, and the share that the affinities add to the supervised step. */
function compare(what) {
  const all = Object.fromEntries(Object.entries(records).map(([name, list]) => [name, list.map((r) => r[what])]));
  const medians = Object.fromEntries(Object.entries(all).map(([name, list]) => [name, median(list)]));
  return { medians, all, added: medians.both / medians.supervised - 1 };
}

/** Writes what the rounds so far say: a run that is cut short leaves its result. */
function report() {
  const [wall, cpu] = [compare("seconds"), compare("cpuSeconds")];
  const { student } = whole;
  writeResult(values.out, {
    benchmark: "tac-pooling",
    ...provenance(),
    engine: `${backend.name} ${backend.version}`,
    network: `V-Net with attention gates, ${values.filters} filters, ${student.variables.filter((v) => v.trainable).reduce((n, v) => n + v.size, 0)} parameters`,
    batch: [2 * half, ...size, 1],
    levels: [...student.provides.encoder, ...student.provides.gated].map(({ name }) => name),
    pooling:
      "nine levels under labels and prediction, two losses, their gradients in features and prediction, logged norms",
    rounds: records.both.length,
    seconds: wall,
    cpuSeconds: { note: "of the process, all threads: what other programs on the machine disturb least", ...cpu },
    disturbedMeasurements: `${disturbed} of ${records.both.length * 2} began or ended with more than 15 % of the cores busy elsewhere`,
  });
  return `supervised ${wall.medians.supervised.toFixed(2)} s, with both affinities ${wall.medians.both.toFixed(2)} s: ${(100 * wall.added).toFixed(1)} % more; of CPU ${cpu.medians.supervised.toFixed(2)} s and ${cpu.medians.both.toFixed(2)} s: ${(100 * cpu.added).toFixed(1)} % more`;
}

let summary = "";
for (const of of Object.values(methods)) await trainStep(of);
for (let round = 0; round < rounds; round++) {
  // Either goes first in turn.
  const order = Object.entries(methods);
  for (const [name, of] of round % 2 ? order.reverse() : order) {
    const before = await busyCores();
    records[name].push(await trainStep(of));
    if (Math.max(before, await busyCores()) > 0.15 * cpus().length) disturbed++;
  }
  const last = Object.entries(records).map(
    ([name, all]) => `${name} ${all.at(-1).seconds.toFixed(2)} s, ${all.at(-1).cpuSeconds.toFixed(2)} s of CPU`,
  );
  process.stderr.write(`round ${round + 1}/${rounds}: ${last.join("; ")}\n`);
  summary = report();
}

console.log(summary);
console.log(`written: ${values.out}`);
