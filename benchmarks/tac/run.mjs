#!/usr/bin/env node
// What TAC's pooling at all nine levels costs beside a supervised step, interleaved in one run: a difference of two whole
// steps would drown in the machine's noise, so the added work is timed by itself.
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

const whole = tac({ network: { baseFilters: Number(values.filters), seed: 0 } });
const [supervisedTerm, ...affinities] = whole.terms;
const { student } = whole;
const { encoder, gated, classes } = student.provides;
const levels = [...encoder, ...gated];
// The supervised step passes both halves through the network, forward and backward, as a step with the affinities does.
const supervised = composeMethod({ name: "supervised", student, terms: [supervisedTerm] });

// A network that holds features and logits of the same batch as variables: its step is pooling, the two losses, their
// gradients in every feature and in the prediction.
const held = Object.fromEntries(
  levels.map(({ name, stride, channels }) => [
    name,
    tf.variable(tf.relu(random.normal([2 * half, ...size.map((n) => n / stride), channels]))),
  ]),
);
const logits = tf.variable(random.normal([2 * half, ...size, classes]));
const features = {
  ...student,
  named: new Map(Object.entries({ ...held, logits })),
  variables: [...Object.values(held), logits],
  apply: () => ({
    logits: tf.clone(logits),
    features: Object.fromEntries(Object.entries(held).map(([name, v]) => [name, tf.clone(v)])),
    heads: {},
  }),
};
const pooling = composeMethod({ name: "pooling", student: features, terms: affinities });
const optimizer = sgd({ learningRate: 0.01, momentum: 0.9, weightDecay: 1e-4 });
let step = 0;

async function measured(work) {
  const [begin, used] = [performance.now(), process.cpuUsage()];
  const results = await work();
  await results.at(-1).data();
  tf.dispose(results);
  const { user, system } = process.cpuUsage(used);
  return { seconds: (performance.now() - begin) / 1000, cpuSeconds: (user + system) / 1e6 };
}

async function gradientsOf(method) {
  const context = createStepContext(method, batch, { step, maxSteps: 1000, random });
  const { gradients } = await methodGradients(method, context);
  context.dispose();
  return gradients;
}

const works = {
  supervised: async () => {
    const gradients = await gradientsOf(supervised);
    optimizer.apply(gradients, supervised.trainable.named, step++);
    return [...gradients.values()];
  },
  // In a network each of these gradients is added to the one that comes from the layers above.
  pooling: async () => {
    const gradients = [...(await gradientsOf(pooling)).values()];
    const sums = gradients.map((g) => tf.add(g, g));
    tf.dispose(gradients);
    return sums;
  },
};

const records = Object.fromEntries(Object.keys(works).map((name) => [name, []]));
let disturbed = 0;

/** Medians of a quantity, and pooling as a share of the supervised step. */
function compare(what) {
  const all = Object.fromEntries(Object.entries(records).map(([name, list]) => [name, list.map((r) => r[what])]));
  const medians = Object.fromEntries(Object.entries(all).map(([name, list]) => [name, median(list)]));
  return { medians, all, share: medians.pooling / medians.supervised };
}

/** Writes what the rounds so far say: a run that is cut short leaves its result. */
function report() {
  const [wall, cpu] = [compare("seconds"), compare("cpuSeconds")];
  writeResult(values.out, {
    benchmark: "tac-pooling",
    ...provenance(),
    engine: `${backend.name} ${backend.version}`,
    network: `V-Net with attention gates, ${values.filters} filters, ${student.variables.filter((v) => v.trainable).reduce((n, v) => n + v.size, 0)} parameters`,
    batch: [2 * half, ...size, 1],
    levels: levels.map(({ name }) => name),
    pooling:
      "nine levels under labels and prediction, two losses, their gradients in features and prediction and adding them to others, logged norms; no other layer",
    rounds: records.pooling.length,
    seconds: wall,
    cpuSeconds: { note: "of the process, all threads: what other programs on the machine disturb least", ...cpu },
    disturbedMeasurements: `${disturbed} of ${records.pooling.length * 2} began or ended with more than 15 % of the cores busy elsewhere`,
  });
  return `supervised ${wall.medians.supervised.toFixed(2)} s, pooling ${wall.medians.pooling.toFixed(2)} s: ${(100 * wall.share).toFixed(1)} %; of CPU ${cpu.medians.supervised.toFixed(2)} s and ${cpu.medians.pooling.toFixed(2)} s: ${(100 * cpu.share).toFixed(1)} %`;
}

let summary = "";
for (const work of Object.values(works)) await measured(work);
for (let round = 0; round < rounds; round++) {
  // Either goes first in turn.
  const order = Object.entries(works);
  for (const [name, work] of round % 2 ? order.reverse() : order) {
    const before = await busyCores();
    records[name].push(await measured(work));
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
