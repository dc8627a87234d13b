#!/usr/bin/env node
// conv3d, forward and both gradients: SemiSeg's WebAssembly kernels beside the stock tfjs wasm and cpu backends,
// interleaved in one run. Needs `npm run build`. Usage: node benchmarks/wasm/run.mjs [--rounds 5] [--out FILE]
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { registerWasmKernels } from "@semiseg/wasm";
import * as tf from "@tensorflow/tfjs-core";
import { busyCores, median, provenance, writeResult } from "../lib.mjs";

const { values } = parseArgs({ options: { rounds: { type: "string", default: "5" }, out: { type: "string" } } });
const NAMES = ["Conv3D", "Conv3DBackpropInputV2", "Conv3DBackpropFilterV2"];
const kernel = (name, backend) => tf.getKernel(name, backend).kernelFunc;
await tf.setBackend("wasm");
await tf.ready();
const stock = Object.fromEntries(NAMES.map((name) => [name, kernel(name, "wasm")]));
const { relaxed } = await registerWasmKernels();
const own = Object.fromEntries(NAMES.map((name) => [name, kernel(name, "wasm")]));
const cpu = Object.fromEntries(NAMES.map((name) => [name, kernel(name, "cpu")]));
const ENGINES = { "semiseg wasm": ["wasm", own], "tfjs wasm": ["wasm", stock], "tfjs cpu": ["cpu", cpu] };
const SHAPES = [
  { name: "3x3x3 16-16 at 16^3", x: [1, 16, 16, 16, 16], filter: [3, 3, 3, 16, 16], strides: 1 },
  { name: "3x3x3 32-32 at 12^3", x: [1, 12, 12, 12, 32], filter: [3, 3, 3, 32, 32], strides: 1 },
  { name: "2x2x2/2 16-32 at 16^3", x: [1, 16, 16, 16, 16], filter: [2, 2, 2, 16, 32], strides: 2 },
];
const results = [];
for (const { name, x, filter, strides } of SHAPES) {
  const out = x.map((n, i) => (i === 0 ? n : i === 4 ? filter[4] : n / strides));
  const gflop = (2 * out.reduce((a, b) => a * b, 1) * filter.slice(0, 4).reduce((a, b) => a * b, 1)) / 1e9;
  for (const op of NAMES) {
    const seconds = Object.fromEntries(Object.keys(ENGINES).map((key) => [key, []]));
    const outputs = {};
    const busy = await busyCores();
    for (let round = 0; round < Number(values.rounds) + 1; round++) {
      for (const [engine, [backend, kernels]] of Object.entries(ENGINES)) {
        await tf.setBackend(backend);
        const make = (shape, seed) =>
          tf.tensor(
            Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i * seed)),
            shape,
          );
        const tensors = { x: make(x, 1.3), filter: make(filter, 0.7), dy: make(out, 2.1) };
        const attrs = {
          strides: [strides, strides, strides],
          pad: "same",
          dilations: [1, 1, 1],
          dataFormat: "NDHWC",
          inputShape: x,
          filterShape: filter,
        };
        const inputs =
          op === "Conv3D"
            ? { x: tensors.x, filter: tensors.filter }
            : op.includes("Input")
              ? { dy: tensors.dy, filter: tensors.filter }
              : { x: tensors.x, dy: tensors.dy };
        const begin = performance.now();
        const result = kernels[op]({ inputs, attrs, backend: tf.backend() });
        const elapsed = (performance.now() - begin) / 1000;
        if (round > 0) seconds[engine].push(elapsed);
        const tensor = tf.engine().makeTensorFromTensorInfo(result);
        outputs[engine] = Float32Array.from(await tensor.data());
        tf.dispose([tensor, ...Object.values(tensors)]);
      }
    }
    const reference = outputs["tfjs cpu"];
    const scale = reference.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
    const relativeError = (values) => values.reduce((m, v, i) => Math.max(m, Math.abs(v - reference[i])), 0) / scale;
    const error = relativeError(outputs["semiseg wasm"]);
    const stockError = relativeError(outputs["tfjs wasm"]);
    const medians = Object.fromEntries(Object.entries(seconds).map(([key, s]) => [key, median(s)]));
    const ratios = {
      "tfjs wasm": medians["tfjs wasm"] / medians["semiseg wasm"],
      "tfjs cpu": medians["tfjs cpu"] / medians["semiseg wasm"],
    };
    results.push({
      shape: name,
      op,
      secondsMedian: medians,
      timesFaster: ratios,
      gflopsPerSecond: gflop / medians["semiseg wasm"],
      relativeError: error,
      stockWasmRelativeError: stockError,
      busyCoresBefore: busy,
    });
    console.log(
      `${name.padEnd(24)} ${op.padEnd(24)} ${(medians["semiseg wasm"] * 1e3).toFixed(2)} ms, ${(gflop / medians["semiseg wasm"]).toFixed(1)} GFLOP/s; ${ratios["tfjs wasm"].toFixed(0)}x tfjs wasm, ${ratios["tfjs cpu"].toFixed(0)}x tfjs cpu; error ${error.toExponential(1)} (stock wasm ${stockError.toExponential(1)})`,
    );
  }
}
const path = values.out ?? fileURLToPath(new URL("../results/wasm-conv3d.json", import.meta.url));
writeResult(path, {
  benchmark: "wasm-conv3d",
  ...provenance(),
  relaxedSimd: relaxed,
  threads: 1,
  rounds: Number(values.rounds),
  results,
});
console.log(`written: ${path}`);
