// Training and inference, off the page's thread. Messages in: `train`, `segment`, `phantom`; out: see page.js.
import { generatePhantom } from "@semiseg/data/phantom";
import { encodeVolume, readVolume } from "@semiseg/data/volume";
import { createStepContext, ExponentialMovingAverage, methodGradients } from "@semiseg/method";
import { evaluateCase } from "@semiseg/metrics";
import { adamW, RandomStream } from "@semiseg/nn";
import { meanTeacher } from "@semiseg/presets";
import { slidingWindowInference } from "@semiseg/training/inference";
import * as tf from "@tensorflow/tfjs-core";
import { startEngine } from "./engine.js";

const LABELED = 4;
const UNLABELED = 8;
const HELD_OUT = 100;
const CLASSES = 3;

let engine;
let method;
let size;

/** Zero mean, unit deviation, as the network was trained. */
function zScore(values) {
  let [sum, squares] = [0, 0];
  for (const v of values) sum += v;
  const mean = sum / values.length;
  for (const v of values) squares += (v - mean) ** 2;
  const deviation = Math.sqrt(squares / values.length) || 1;
  return Float32Array.from(values, (v) => (v - mean) / deviation);
}

const phantom = (index) => generatePhantom(index, { shape: [size, size, size], organs: CLASSES - 1, noise: 0.15 });

/** A case as tensors `[1, ...S, 1]` and `[1, ...S]`. */
function sample(index) {
  const { image, label } = phantom(index);
  return {
    image: tf.tensor(zScore(image.data), [1, ...image.shape, 1]),
    labels: tf.tensor(Int32Array.from(label.data), [1, ...label.shape], "int32"),
    ids: [`phantom ${index}`],
  };
}

/** Most probable class of every voxel, by windows of the training size. */
async function segment({ data, shape }) {
  const image = tf.tensor(zScore(data), [1, ...shape, 1]);
  const probabilities = await slidingWindowInference(image, {
    roiSize: [size, size, size],
    overlap: 0.25,
    mode: "gaussian",
    predictor: (patch) => tf.tidy(() => tf.softmax(method.student.apply(patch, { training: false }).logits)),
  });
  const values = await probabilities.data();
  tf.dispose([image, probabilities]);
  await engine.check();
  const labels = new Uint8Array(values.length / CLASSES);
  for (let v = 0; v < labels.length; v++)
    for (let c = 1; c < CLASSES; c++) if (values[v * CLASSES + c] > values[v * CLASSES + labels[v]]) labels[v] = c;
  return labels;
}

/** Mean Dice over organs on a phantom that training has not seen. */
async function heldOut() {
  const { image, label } = phantom(HELD_OUT);
  const labels = await segment(image);
  const rows = evaluateCase({ yTrue: label.data, yPred: labels, shape: label.shape, numClasses: CLASSES });
  const dice = rows.filter(({ metric }) => metric === "dice").map(({ value }) => value);
  return { image, label, labels, dice: dice.reduce((a, b) => a + b, 0) / dice.length };
}

async function train({ steps, filters, engine: wanted, size: side }) {
  engine ??= await startEngine(wanted);
  postMessage({ type: "engine", ...{ name: engine.name, text: engine.text } });
  size = side;
  method?.dispose();
  method = meanTeacher({
    network: { kind: "vnet", baseFilters: filters, outChannels: CLASSES, normalization: "group", dropout: 0, seed: 1 },
    // A faster teacher and an earlier consistency than the field's defaults, which are meant for many thousand steps.
    teacher: { decay: 0.95 },
    consistency: { weight: 1, rampLength: steps / 2 },
  });
  const optimizer = adamW({ learningRate: (step) => 0.004 * (1 - step / steps) ** 0.9, weightDecay: 0.01 });
  const average = new ExponentialMovingAverage(method.student, method.teacher.network, method.teacher.config);
  const random = new RandomStream(2);
  const labeled = Array.from({ length: LABELED }, (_, i) => sample(i));
  const unlabeled = Array.from({ length: UNLABELED }, (_, i) => sample(LABELED + i));
  const before = await heldOut();
  for (let step = 0; step < steps; step++) {
    const began = performance.now();
    const { image, ids } = unlabeled[step % UNLABELED];
    const batch = { labeled: labeled[step % LABELED], unlabeled: { image, ids } };
    const context = createStepContext(method, batch, { step, maxSteps: steps, random });
    const { gradients, total: loss } = await methodGradients(method, context);
    optimizer.apply(gradients, method.trainable.named, step);
    average.update(step);
    tf.dispose([...gradients.values()]);
    context.dispose();
    await engine.check();
    postMessage({
      type: "step",
      step: step + 1,
      steps,
      loss,
      seconds: (performance.now() - began) / 1000,
      tensors: tf.memory().numTensors,
    });
  }
  const after = await heldOut();
  tf.dispose([labeled, unlabeled].flat().flatMap((s) => [s.image, s.labels]));
  optimizer.dispose();
  postMessage({
    type: "trained",
    before: before.dice,
    after: after.dice,
    volume: { data: after.image.data, shape: after.image.shape, labels: after.labels, truth: after.label.data },
  });
}

async function segmentFile({ bytes, name }) {
  if (!method) throw new Error("train the network first: there is nothing yet to segment with");
  const volume = await readVolume(new Uint8Array(bytes));
  if (volume.shape.length !== 3) throw new Error(`${name}: has ${volume.shape.length} axes, expected a volume of 3`);
  const began = performance.now();
  const labels = await segment(volume);
  postMessage({
    type: "segmented",
    name,
    seconds: (performance.now() - began) / 1000,
    volume: { data: volume.data, shape: volume.shape, labels },
  });
}

/** A phantom of another size as a NIfTI file, to drop on the page. */
async function phantomFile({ size: side }) {
  const { image } = generatePhantom(HELD_OUT + 1, {
    shape: [side, side, Math.round(side / 2)],
    organs: CLASSES - 1,
    noise: 0.15,
  });
  postMessage({ type: "file", bytes: await encodeVolume("phantom.nii.gz", image) });
}

const handlers = { train, segment: segmentFile, phantom: phantomFile };
// One after another: a second request waits for the first.
let last = Promise.resolve();
self.onmessage = ({ data }) => {
  last = last
    .then(() => handlers[data.type](data))
    .catch((error) => postMessage({ type: "error", message: error.message, stack: error.stack }));
};
