#!/usr/bin/env node
// What ICL's modules and losses add to a supervised step of the 2-D U-Net, for each kind of token mixing, interleaved in
// one run. node benchmarks/icl/run.mjs [--size 256,256] [--half 2] [--classes 4] [--mixing none,lowRank] [--rounds 7] [--out FILE]
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createStepContext, methodGradients } from "@semiseg/method";
import { RandomStream, sgd } from "@semiseg/nn";
import { icl, supervised } from "@semiseg/presets";
import { initBackend } from "@semiseg/runtime";
import * as tf from "@tensorflow/tfjs-core";
import { busyCores, median, provenance, writeResult } from "../lib.mjs";

const { values } = parseArgs({
  options: {
    size: { type: "string", default: "256,256" },
    half: { type: "string", default: "2" },
    classes: { type: "string", default: "4" },
    mixing: { type: "string", default: "none,lowRank" },
    rounds: { type: "string", default: "7" },
    warmup: { type: "string", default: "2" },
    engine: { type: "string", default: "tensorflow" },
    profile: { type: "boolean", default: false },
    out: { type: "string", default: fileURLToPath(new URL("../results/icl-step.json", import.meta.url)) },
  },
});
const size = values.size.split(",").map(Number);
const [half, rounds, classes] = [values.half, values.rounds, values.classes].map(Number);
const backend = await initBackend({ prefer: values.engine, quiet: true });
const random = new RandomStream(1);
const network = { kind: "unet", spatialDims: size.length, outChannels: classes, seed: 0 };

/** Random images of `n` samples and their labels. */
function images(n, name) {
  const shape = [n, ...size];
  const labels = tf.tidy(() =>
    tf.cast(tf.mul(tf.tensor(random.uniform(tf.util.sizeFromShape(shape)), shape), classes - 0.001), "int32"),
  );
  return {
    image: random.normal([...shape, 1]),
    labels,
    ids: shape.slice(0, 1).flatMap((m) => Array.from({ length: m }, (_, i) => `${name} ${i}`)),
  };
}
const [labeled, rest] = [images(half, "labelled"), images(half, "unlabelled")];
const all = {
  image: tf.concat([labeled.image, rest.image]),
  labels: tf.concat([labeled.labels, rest.labels]),
  ids: [...labeled.ids, ...rest.ids],
};
const loss = { crossEntropyWeight: 1, diceWeight: 1, includeBackground: true };
const semi = { labeled, unlabeled: { image: rest.image, ids: rest.ids } };
const items = {
  "supervised, labelled half": { method: supervised({ network, ...loss }), batch: { labeled, unlabeled: null } },
  "supervised, all images": { method: supervised({ network, ...loss }), batch: { labeled: all, unlabeled: null } },
};
for (const tokenMixing of values.mixing.split(","))
  items[`icl ${tokenMixing}`] = {
    method: icl({ network, tokenMixing, patchSize: size, memoryLimit: 4e9 }),
    batch: semi,
  };
// One optimizer each: momentum is part of what a method takes.
for (const item of Object.values(items)) item.optimizer = sgd({ learningRate: 0.01, momentum: 0.9, weightDecay: 1e-4 });
let step = 0;

async function trainStep({ method, batch, optimizer }) {
  const [begin, used] = [performance.now(), process.cpuUsage()];
  const context = createStepContext(method, batch, { step, maxSteps: 1000, random });
  const { gradients } = await methodGradients(method, context);
  optimizer.apply(gradients, method.trainable.named, step++);
  await [...method.trainable.variables].at(-1).data();
  tf.dispose([...gradients.values()]);
  context.dispose();
  const { user, system } = process.cpuUsage(used);
  return { seconds: (performance.now() - begin) / 1000, processorSeconds: (user + system) / 1e6 };
}

/** Runs one step with every kernel wrapped: `after(name, milliseconds)`. */
async function observed(item, after) {
  const kernels = [...tf.getKernelsForBackend(tf.getBackend())];
  const swap = (make) => {
    for (const kernel of kernels) {
      tf.unregisterKernel(kernel.kernelName, kernel.backendName);
      tf.registerKernel(make(kernel));
    }
  };
  swap((kernel) => ({
    ...kernel,
    kernelFunc: (args) => {
      const begin = performance.now();
      const result = kernel.kernelFunc(args);
      after(kernel.kernelName, performance.now() - begin);
      return result;
    },
  }));
  await trainStep(item);
  swap((kernel) => kernel);
}

/** Bytes of live tensors at the peak of a step: beside what the other items hold between steps, weights and momentum included. */
async function memoryOf(item) {
  const before = tf.memory().numBytes;
  let peak = 0;
  await observed(item, () => {
    peak = Math.max(peak, tf.memory().numBytes);
  });
  const own = [...item.method.trainable.variables, ...item.optimizer.saveState().tensors.values()];
  const held = own.reduce((bytes, t) => bytes + 4 * t.size, 0);
  return { heldBytes: held, stepBytes: peak - before, peakBytes: peak - before + held };
}

const times = Object.fromEntries(Object.keys(items).map((name) => [name, []]));
const processor = Object.fromEntries(Object.keys(items).map((name) => [name, []]));
let disturbed = 0;
for (let i = 0; i < Number(values.warmup); i++) for (const item of Object.values(items)) await trainStep(item);
const names = Object.keys(items);
for (let round = 0; round < rounds; round++) {
  if ((await busyCores(200)) > 0.15 * cpus().length) disturbed++;
  // Another order each round.
  for (let i = 0; i < names.length; i++) {
    const name = names[(i + round) % names.length];
    const { seconds, processorSeconds } = await trainStep(items[name]);
    times[name].push(seconds);
    processor[name].push(processorSeconds);
  }
  process.stderr.write(
    `round ${round + 1}/${rounds}: ${names.map((n) => `${n} ${times[n].at(-1).toFixed(2)} s`).join(", ")}\n`,
  );
}
const memory = {};
for (const name of names) memory[name] = await memoryOf(items[name]);
const seconds = Object.fromEntries(names.map((name) => [name, median(times[name])]));
const processorSeconds = Object.fromEntries(names.map((name) => [name, median(processor[name])]));
const base = "supervised, all images";
const added = Object.fromEntries(
  names
    .filter((name) => name.startsWith("icl"))
    .map((name) => [
      name,
      {
        shareOfSupervisedStep: seconds[name] / seconds[base] - 1,
        sharePairedMedian: median(times[name].map((t, i) => t / times[base][i])) - 1,
        shareOfProcessorTime: processorSeconds[name] / processorSeconds[base] - 1,
        ratioToLabelledHalf: seconds[name] / seconds["supervised, labelled half"],
        parameters: items[name].method.trainable.variables
          .filter((v) => v.trainable)
          .reduce(
            (n, v) => n + v.size,
            -items[base].method.trainable.variables.filter((v) => v.trainable).reduce((n, v) => n + v.size, 0),
          ),
        heldBytes: memory[name].heldBytes - memory[base].heldBytes,
        peakBytes: memory[name].peakBytes - memory[base].peakBytes,
      },
    ]),
);
let refused;
try {
  icl({ network, tokenMixing: "full", patchSize: [256, 256].slice(0, size.length) });
} catch (error) {
  refused = error.message;
}
const result = {
  benchmark: "icl-step",
  ...provenance(),
  engine: `${backend.name} ${backend.version}`,
  network: "2-D U-Net, 16 filters",
  batch: `${half} labelled and ${half} unlabelled of ${size.join("x")}, ${classes} classes`,
  rounds,
  threads: process.env.TF_NUM_INTRAOP_THREADS ?? "all",
  baseline: `${base}: the same ${2 * half} images, all labelled`,
  secondsMedian: seconds,
  secondsAll: times,
  processorSecondsMedian: processorSeconds,
  memory,
  added,
  fullAt256: refused,
  disturbedRounds: `${disturbed} of ${rounds} began with more than 15 % of the cores busy elsewhere`,
};
for (const [name, a] of Object.entries(added))
  console.log(
    `${name}: ${seconds[name].toFixed(3)} s, ${(100 * a.shareOfSupervisedStep).toFixed(1)} % more than the supervised step of the same images (paired ${(100 * a.sharePairedMedian).toFixed(1)} %, processor time ${(100 * a.shareOfProcessorTime).toFixed(1)} %), ${a.ratioToLabelledHalf.toFixed(2)} x that of the labelled half; ${(a.peakBytes / 1e6).toFixed(1)} MB more at the peak, ${(a.heldBytes / 1e6).toFixed(1)} MB of it held, ${a.parameters} parameters`,
  );
for (const name of names)
  console.log(
    `    ${name}: ${seconds[name].toFixed(3)} s, step ${(memory[name].stepBytes / 1e6).toFixed(0)} MB, held ${(memory[name].heldBytes / 1e6).toFixed(0)} MB`,
  );
if (values.profile)
  for (const name of [base, names.at(-1)]) {
    const rows = new Map();
    await observed(items[name], (kernel, ms) => {
      const row = rows.get(kernel) ?? { ms: 0, calls: 0 };
      rows.set(kernel, { ms: row.ms + ms, calls: row.calls + 1 });
    });
    console.log(name);
    for (const [kernel, { ms, calls }] of [...rows].sort((a, b) => b[1].ms - a[1].ms).slice(0, 24))
      console.log(`    ${kernel}: ${ms.toFixed(1)} ms in ${calls} calls`);
  }
writeResult(values.out, result);
console.log(`written: ${values.out}`);
