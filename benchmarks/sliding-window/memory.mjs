/**
 * Memory and time of a sliding-window pass over a 512 x 512 x 300 volume with a trivial predictor, so that the cost is
 * that of the windows alone. Prints one JSON line. Usage: node benchmarks/sliding-window/memory.mjs
 * (after `npm run build`); needs about 1.3 GB.
 */
import "@tensorflow/tfjs";
import { slidingWindowInference } from "@semiseg/training";
import * as tf from "@tensorflow/tfjs-core";

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
console.log(
  JSON.stringify({
    shape,
    roiSize,
    outputMB: Math.round(bytes / 2 ** 20),
    addedMB: Math.round((peak - before) / 2 ** 20),
    ratio: Number(((peak - before) / bytes).toFixed(3)),
    seconds: Number(((performance.now() - start) / 1000).toFixed(1)),
    worst: output.data.reduce((worst, value) => Math.max(worst, Math.abs(value - 1)), 0),
  }),
);
