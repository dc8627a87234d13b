#!/usr/bin/env node
// Matrix products with a short side: our operator beside TensorFlow's own on the same tensors, alternating in one run.
// node benchmarks/matmul/run.mjs [--rounds 41] [--out FILE]
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { initBackend } from "@semiseg/runtime";
import * as tf from "@tensorflow/tfjs-core";
import { median, provenance, writeResult } from "../lib.mjs";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "41" },
    out: { type: "string", default: fileURLToPath(new URL("../results/matmul.json", import.meta.url)) },
  },
});
const { name, version } = await initBackend({ prefer: "tensorflow", quiet: true });
const backend = tf.backend();
const { TF_ATTR_BOOL, TF_ATTR_TYPE, TF_FLOAT } = backend.binding;
const bool = (name, value) => ({ name, type: TF_ATTR_BOOL, value });
const engines = {
  own: (a, b, ta, tb) =>
    backend.executeSingleOutput("SemisegMatMul", [bool("transpose_a", ta), bool("transpose_b", tb)], [a, b]),
  tensorflow: (a, b, ta, tb) =>
    backend.executeSingleOutput(
      "BatchMatMulV2",
      [{ name: "T", type: TF_ATTR_TYPE, value: TF_FLOAT }, bool("adj_x", ta), bool("adj_y", tb)],
      [a, b],
    ),
};

/** [what it is, a, b, transposed a, transposed b] */
const CASES = [
  ["tokens by a weight", [32768, 32], [32, 32], false, true],
  ["tokens by a weight", [8192, 64], [64, 64], false, true],
  ["map head", [131072, 2], [2, 2], false, true],
  ["map head", [32768, 8], [8, 8], false, true],
  ["gradient of the map head's weight", [131072, 2], [131072, 2], true, false],
  ["gradient of a weight", [32768, 32], [32768, 32], true, false],
  ["queries by tokens", [2, 8, 32], [2, 16384, 32], false, true],
  ["attended tokens", [2, 8, 16384], [2, 16384, 32], false, false],
  ["token mixing", [64, 64], [64, 64], false, true],
  ["perceptron of proxies", [8, 64], [256, 64], false, true],
  ["class prototypes", [2, 147456, 3], [2, 147456, 8], true, false],
];
const rows = [];
for (const [about, shapeA, shapeB, ta, tb] of CASES) {
  const [a, b] = [tf.randomNormal(shapeA), tf.randomNormal(shapeB)];
  const times = { own: [], tensorflow: [] };
  for (let round = -3; round < Number(values.rounds); round++)
    for (const [engine, run] of Object.entries(engines)) {
      const begin = performance.now();
      const y = run(a, b, ta, tb);
      if (round >= 0) times[engine].push(performance.now() - begin);
      backend.disposeData(y.dataId);
    }
  const [own, tensorflow] = [median(times.own), median(times.tensorflow)];
  rows.push({
    about,
    a: shapeA,
    b: shapeB,
    transposed: [ta, tb],
    millisecondsMedian: { own, tensorflow },
    ratio: tensorflow / own,
  });
  console.log(
    `${about}, ${shapeA.join("x")} by ${shapeB.join("x")}: ${own.toFixed(3)} and ${tensorflow.toFixed(3)} ms, ${(tensorflow / own).toFixed(2)} times as fast`,
  );
  tf.dispose([a, b]);
}
writeResult(values.out, {
  benchmark: "matmul",
  ...provenance(),
  engine: `${name} ${version}`,
  rounds: Number(values.rounds),
  rows,
});
console.log(`written: ${values.out}`);
