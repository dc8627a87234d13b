#!/usr/bin/env node
// Memory and time of cross-sample mutual attention on stage 4 of a batch of 2+2 patches of 112x112x80: 1960 tokens.
// node benchmarks/caml/attention-memory.mjs [--budget MIB]... [--out FILE]
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { crossSampleMutualAttention } from "@semiseg/correlation";
import { RandomStream } from "@semiseg/nn";
import { initBackend } from "@semiseg/runtime";
import * as tf from "@tensorflow/tfjs-core";
import { provenance, writeResult } from "../lib.mjs";

const { values } = parseArgs({
  options: { budget: { type: "string", multiple: true, default: ["1024", "256", "64"] }, out: { type: "string" } },
});
const { name: engine, version } = await initBackend({ prefer: "tensorflow", quiet: true });
const shape = [4, 14, 14, 10, 128];
const x = new RandomStream(1).normal(shape);

/** Largest sum of bytes of live tensors during `f`, less what was there before. */
function peakBytes(f) {
  const own = tf.engine();
  const before = own.state.numBytes;
  const { trackTensor } = own;
  let peak = before;
  own.trackTensor = function (...args) {
    trackTensor.apply(this, args);
    peak = Math.max(peak, own.state.numBytes);
  };
  try {
    f();
  } finally {
    delete own.trackTensor;
  }
  return peak - before;
}

const results = [];
let reference;
for (const budget of [null, ...values.budget.map(Number)]) {
  const attention = crossSampleMutualAttention({
    channels: 128,
    random: new RandomStream(2),
    ...(budget === null ? {} : { memoryBudget: budget * 2 ** 20 }),
  });
  let seconds = 0;
  let gradient;
  const peak = peakBytes(() => {
    const began = performance.now();
    gradient = tf.grad((input) =>
      tf.sum(tf.square(attention.apply(input, { training: true, random: new RandomStream(3) }))),
    )(x);
    gradient.dataSync();
    seconds = (performance.now() - began) / 1000;
  });
  reference ??= gradient;
  const apart = tf.tidy(() => tf.div(tf.norm(tf.sub(gradient, reference)), tf.norm(reference)).dataSync()[0]);
  results.push({ budgetBytes: budget === null ? null : budget * 2 ** 20, peakTensorBytes: peak, seconds, apart });
  console.log(
    `${budget === null ? "no budget" : `budget ${budget} MiB`}: peak ${(peak / 2 ** 20).toFixed(0)} MiB above the input, ${seconds.toFixed(1)} s forward and backward, gradient ${apart.toExponential(1)} from that without a budget`,
  );
}
const out = values.out ?? fileURLToPath(new URL("../results/attention-memory.json", import.meta.url));
writeResult(out, {
  benchmark: "attention-memory",
  ...provenance(),
  engine: `${engine} ${version}`,
  shape,
  tokens: 1960,
  heads: 4,
  weightsBytes: 4 * 4 * 4 * 1960 ** 2,
  results,
});
console.log(`written: ${out}`);
