// Times SemiSeg training steps on request: reads `run N`, `profile` and `tune SECONDS` (WebGPU) lines, answers one JSON line each.
import { createInterface } from "node:readline";
import { unet, vnet } from "@semiseg/backbones";
import { composeMethod, createStepContext, methodGradients } from "@semiseg/method";
import { RandomStream, sgd } from "@semiseg/nn";
import { supervisedTerm } from "@semiseg/presets";
import { initBackend } from "@semiseg/runtime";
import * as tf from "@tensorflow/tfjs-core";

const options = JSON.parse(process.argv[2]);
const backend = await initBackend({
  prefer: options.engine ?? "tensorflow",
  quiet: true,
  precision: options.precision ?? "float32",
});
const build = options.network === "vnet" ? vnet : unet;
const student = build({ spatialDims: 3, inChannels: 1, outChannels: 2, baseFilters: options.filters, seed: 0 });
const method = composeMethod({ name: "benchmark", student, terms: [supervisedTerm()] });
const optimizer = sgd({ learningRate: 0.01, momentum: 0.9, weightDecay: 1e-4 });
const random = new RandomStream(1);
const shape = [options.batch, ...options.size];
const image = random.normal([...shape, 1]);
const labels = tf.tidy(() => tf.cast(tf.greater(tf.tensor(random.uniform(image.size), shape), 0.7), "int32"));
const ids = shape.slice(0, 1).flatMap((n) => Array.from({ length: n }, (_, i) => `case${i}`));
let step = 0;

async function trainStep() {
  const context = createStepContext(
    method,
    { labeled: { image, labels, ids }, unlabeled: null },
    { step, maxSteps: 1000, random },
  );
  const { total, gradients } = await methodGradients(method, context);
  optimizer.apply(gradients, method.trainable.named, step);
  tf.dispose([...gradients.values()]);
  context.dispose();
  step++;
  return total;
}

const product = (shape) => shape.reduce((a, b) => a * b, 1);

/** GFLOP of a convolution kernel by its definition (2 per multiply-add, padding included), 0 for other kernels. */
function gflopOf(name, { inputs, attrs }) {
  if (!name.startsWith("Conv3D")) return 0;
  const filter = attrs.filterShape ?? inputs.filter.shape;
  // One multiply-add per filter value and position of the convolution's output.
  if (name !== "Conv3D") return (2 * product(inputs.dy.shape.slice(0, 4)) * product(filter)) / 1e9;
  const stride = [attrs.strides].flat()[0];
  const out = inputs.x.shape
    .slice(1, 4)
    .map((n, i) => (attrs.pad === "valid" ? Math.floor((n - filter[i]) / stride) + 1 : Math.ceil(n / stride)));
  return (2 * inputs.x.shape[0] * product(out) * product(filter)) / 1e9;
}

const cpuSeconds = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

/** Wall and CPU time per kernel of one step, by wrapping every registered kernel of this backend. */
async function profile() {
  const rows = new Map();
  const kernels = [...tf.getKernelsForBackend(tf.getBackend())];
  for (const kernel of kernels) {
    tf.unregisterKernel(kernel.kernelName, kernel.backendName);
    tf.registerKernel({
      ...kernel,
      kernelFunc: (args) => {
        const [begin, cpu] = [performance.now(), cpuSeconds()];
        const result = kernel.kernelFunc(args);
        const row = rows.get(kernel.kernelName) ?? { milliseconds: 0, cpuMilliseconds: 0, calls: 0, gflop: 0 };
        row.milliseconds += performance.now() - begin;
        row.cpuMilliseconds += 1000 * (cpuSeconds() - cpu);
        row.calls++;
        row.gflop += gflopOf(kernel.kernelName, args);
        rows.set(kernel.kernelName, row);
        return result;
      },
    });
  }
  await trainStep();
  for (const kernel of kernels) {
    tf.unregisterKernel(kernel.kernelName, kernel.backendName);
    tf.registerKernel(kernel);
  }
  return [...rows].map(([kernel, row]) => ({ kernel, ...row })).sort((a, b) => b.milliseconds - a.milliseconds);
}

const parameters = student.variables.filter((v) => v.trainable).reduce((n, v) => n + v.size, 0);
console.log(
  JSON.stringify({ ready: true, version: backend.version, engine: backend.name, library: backend.engine, parameters }),
);
for await (const line of createInterface({ input: process.stdin })) {
  const [command, count] = line.split(" ");
  if (command === "profile") {
    console.log(JSON.stringify({ profile: (await profile()).slice(0, 20) }));
    continue;
  }
  if (command === "tune") {
    const { tuneWebgpu } = await import("@semiseg/webgpu");
    console.log(JSON.stringify(await tuneWebgpu(trainStep, { seconds: Number(count) })));
    continue;
  }
  const [seconds, cpu] = [[], []];
  let loss = null;
  for (let i = 0; i < Number(count); i++) {
    const [begin, cpuBegin] = [performance.now(), cpuSeconds()];
    loss = await trainStep();
    seconds.push((performance.now() - begin) / 1000);
    cpu.push(cpuSeconds() - cpuBegin);
  }
  console.log(
    JSON.stringify({
      seconds,
      cpuSeconds: cpu,
      loss,
      peakBytes: process.resourceUsage().maxRSS * 1024,
      tensors: tf.memory().numTensors,
    }),
  );
}
