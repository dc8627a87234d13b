// Times the steps of one method and of its parts on request: reads `run ITEM` and `profile ITEM` lines, answers one JSON
// line each. All of them work on the same batch, network size and engine.
import { createInterface } from "node:readline";
import {
  afterStep,
  composeMethod,
  createStepContext,
  ExponentialMovingAverage,
  methodGradients,
} from "@semiseg/method";
import { RandomStream, sgd, withoutGradient } from "@semiseg/nn";
import * as presets from "@semiseg/presets";
import { initBackend } from "@semiseg/runtime";
import * as tf from "@tensorflow/tfjs-core";
import { methods } from "./methods.mjs";
import { profiled } from "./profiled.mjs";

const options = JSON.parse(process.argv[2]);
const { size, filters, half, classes } = options;
const backend = await initBackend({ prefer: options.engine ?? "tensorflow", quiet: true });
const network = { baseFilters: filters, outChannels: classes, seed: 0 };
const maxSteps = 1000;
const random = new RandomStream(1);

/** Nested balls of the classes in noise, bright enough to be learned in a few steps. */
function volume(n) {
  const voxels = size.reduce((a, b) => a * b, 1);
  const labels = new Int32Array(voxels);
  for (let v = 0; v < voxels; v++) {
    const at = [Math.floor(v / (size[1] * size[2])), Math.floor(v / size[2]) % size[1], v % size[2]];
    const r = Math.hypot(...at.map((x, a) => (x - size[a] / 2 + (n % 3) - 1) / size[a]));
    labels[v] = Math.max(0, Math.min(classes - 1, Math.floor((0.42 - r) * 3 * (classes - 1)) + 1));
  }
  const noise = random.normals(voxels, 0.3);
  return { labels, image: noise.map((v, i) => v + labels[i]) };
}

/** `count` samples from the `first` on, as tensors. */
function samples(first, count) {
  const volumes = Array.from({ length: count }, (_, i) => volume(first + i));
  return {
    image: tf.stack(volumes.map(({ image }) => tf.tensor(image, [...size, 1]))),
    labels: tf.stack(volumes.map(({ labels }) => tf.tensor(labels, size, "int32"))),
    ids: volumes.map((_, i) => `case${first + i}`),
  };
}
const whole = samples(0, 2 * half);
const labeled = samples(0, half);
const unlabeled = samples(half, half);
const both = { labeled, unlabeled };

/** What a training loop does in a step, less the log: gradients, optimizer, teacher, states of terms. */
function stepper(method, batch, from) {
  const optimizer = sgd({ learningRate: 0.01, momentum: 0.9, weightDecay: 1e-4 });
  const average = method.teacher
    ? new ExponentialMovingAverage(method.student, method.teacher.network, method.teacher.config)
    : null;
  let step = from;
  return async () => {
    const context = createStepContext(method, batch, { step, maxSteps, random });
    const { gradients } = await methodGradients(method, context);
    optimizer.apply(gradients, method.trainable.named, step);
    average?.update(step);
    await afterStep(method, context);
    tf.dispose([...gradients.values()]);
    context.dispose();
    step++;
  };
}

/** A supervised step of such a network on labelled samples. */
const supervised = (more, batch) =>
  stepper(
    composeMethod({
      name: "supervised",
      student: presets.networkOf({ ...network, ...more }),
      terms: [presets.supervisedTerm()],
    }),
    { labeled: batch, unlabeled: null },
    0,
  );

/** Forward passes as a teacher's: dropout on, no gradient, the logits read back. */
function forward(more, batch, times) {
  const net = presets.networkOf({ ...network, ...more });
  let pass = 0;
  return async () => {
    for (let i = 0; i < times; i++) {
      const { logits } = withoutGradient(() =>
        tf.tidy(() => {
          const { logits } = net.apply(batch.image, {
            training: true,
            updateBuffers: false,
            random: random.fork(`pass/${pass++}`),
          });
          return { logits };
        }),
      );
      logits.dispose();
    }
  };
}

const items = methods[options.method]({
  presets,
  composeMethod,
  network,
  step: (method, from = 900) => stepper(method, both, from),
  supervisedWhole: (more = {}) => supervised(more, whole),
  supervisedHalf: (more = {}) => supervised(more, labeled),
  forwardWhole: (more, times) => forward(more, whole, times),
  forwardHalf: (more, times) => forward(more, unlabeled, times),
});

/** The largest sum of bytes that live tensors had during `f`. */
async function peakTensorBytes(f) {
  const { state } = tf.engine();
  const engine = tf.engine();
  const { trackTensor } = engine;
  let peak = state.numBytes;
  engine.trackTensor = function (...args) {
    trackTensor.apply(this, args);
    peak = Math.max(peak, state.numBytes);
  };
  try {
    await f();
  } finally {
    delete engine.trackTensor;
  }
  return peak;
}

/** Multiply-adds per second of a large square product, in GFLOP. */
function matmulGflops() {
  const n = 1536;
  const [a, b] = [random.normal([n, n]), random.normal([n, n])];
  const times = Array.from({ length: 7 }, () => {
    const began = performance.now();
    const c = tf.matMul(a, b);
    c.dataSync();
    c.dispose();
    return performance.now() - began;
  });
  tf.dispose([a, b]);
  return (2 * n ** 3) / Math.min(...times) / 1e6;
}

console.log(JSON.stringify({ ready: true, engine: backend.name, version: backend.version, items: Object.keys(items) }));
for await (const line of createInterface({ input: process.stdin })) {
  const [command, ...words] = line.split(" ");
  const name = words.join(" ");
  if (command === "matmul") console.log(JSON.stringify({ gflops: matmulGflops() }));
  else if (command === "profile") console.log(JSON.stringify({ profile: await profiled(items[name]) }));
  else if (command === "memory") {
    const peak = await peakTensorBytes(items[name]);
    console.log(JSON.stringify({ peakTensorBytes: peak, peakProcessBytes: process.resourceUsage().maxRSS * 1024 }));
  } else {
    const cpu = process.cpuUsage();
    const began = performance.now();
    await items[name]();
    const seconds = (performance.now() - began) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    console.log(JSON.stringify({ seconds, cpuSeconds: (user + system) / 1e6, tensors: tf.memory().numTensors }));
  }
}
