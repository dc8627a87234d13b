/**
 * Memory and time of a sliding-window pass over a 512 x 512 x 300 volume with a trivial predictor, so that the cost is
 * that of the windows alone. Usage, after `npm run build`: node benchmarks/sliding-window/memory.mjs [--save]
 * Needs about 1.3 GB; fails when host memory grows by 1.5 times the output or more. --save writes
 * benchmarks/results/sliding-window-memory.json.
 */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import "@tensorflow/tfjs";
import { slidingWindowInference } from "@semiseg/training";
import * as tf from "@tensorflow/tfjs-core";
import { provenance, writeResult } from "../lib.mjs";

await tf.setBackend("cpu");
const shape = [1, 300, 512, 512, 1];
const input = new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1);
const roiSize = [96, 128, 128];
const window = tf.ones([1, ...roiSize, 2]);
let peak = 0;
const watch = () => {
  peak = Math.max(peak, process.memoryUsage.rss());
};
const before = process.memoryUsage.rss();
const start = performance.now();
const output = await slidingWindowInference(
  { data: input, shape },
  { roiSize, overlap: 0.5, mode: "gaussian", predictor: () => tf.clone(window), onProgress: watch },
);
watch();
const bytes = output.data.byteLength;
const result = {
  benchmark: "sliding-window-memory",
  ...provenance(),
  shape,
  roiSize,
  overlap: 0.5,
  mode: "gaussian",
  outputMiB: Math.round(bytes / 2 ** 20),
  addedPeakMiB: Math.round((peak - before) / 2 ** 20),
  timesTheOutput: Number(((peak - before) / bytes).toFixed(3)),
  limit: 1.5,
  seconds: Number(((performance.now() - start) / 1000).toFixed(1)),
  largestError: output.data.reduce((worst, value) => Math.max(worst, Math.abs(value - 1)), 0),
};
console.log(JSON.stringify(result, null, 2));
if (process.argv.includes("--save"))
  writeResult(join(dirname(fileURLToPath(import.meta.url)), "../results/sliding-window-memory.json"), result);
process.exitCode = result.timesTheOutput < result.limit ? 0 : 1;
