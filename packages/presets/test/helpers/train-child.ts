import "@tensorflow/tfjs";
import { createHash } from "node:crypto";
import { writeSync } from "node:fs";
import { batchPlan, createBatchLoader, openDataset, restrictDataset } from "@semiseg/data";
import type { Method } from "@semiseg/method";
import { sgd } from "@semiseg/nn";
import { caml, duCiSc } from "@semiseg/presets";
import { initBackend } from "@semiseg/runtime";
import { train } from "@semiseg/training";
import * as tf from "@tensorflow/tfjs-core";

// A training process of its own, for tests that kill it: node train-child.mjs <backend> <method> <folder> <steps>
const [backend, name, folder, steps] = process.argv.slice(2) as [string, string, string, string];
if (backend === "cpu") await tf.setBackend("cpu");
else await initBackend({ prefer: backend as "tensorflow", quiet: true });
const maxSteps = Number(steps);
const dataset = await openDataset({ kind: "phantom", shape: [16, 16], organs: 2, train: 6, noise: 0.05 });
const ids = dataset.splits!.train;
const network = { spatialDims: 2, baseFilters: 1, outChannels: 3, normalization: "group", dropout: 0.2 } as const;
const method: Method =
  name === "caml"
    ? caml({ network, correlation: { perClass: 4, capacityPerClass: 16, rowsPerClass: 40 }, rampLength: 2 })
    : duCiSc({ network, warmUpSteps: 2 });

/** What the method remembers beside weights: the memory bank or the thresholds. */
function remembered(): string {
  const hash = createHash("sha256");
  for (const { state } of method.terms) {
    const saved = state?.save();
    if (saved) hash.update(JSON.stringify(saved.json));
    for (const tensor of saved?.tensors?.values() ?? []) hash.update(Buffer.from(tensor.dataSync().buffer));
  }
  return hash.digest("hex");
}

const result = await train({
  method,
  data: {
    loader: createBatchLoader({
      dataset: restrictDataset(dataset, ids),
      plan: batchPlan({
        labeled: ids.slice(0, 3),
        unlabeled: ids.slice(3),
        labeledBatchSize: 2,
        unlabeledBatchSize: 2,
        seed: 3,
      }),
      patchSize: [16, 16],
      seed: 4,
      workers: 0,
      maxSteps,
    }),
    classNames: dataset.classNames,
    manifest: { labeled: ids.slice(0, 3) },
  },
  optimizer: sgd({ learningRate: 0.05, momentum: 0.9 }),
  maxSteps,
  run: folder,
  resume: true,
  seed: 7,
  progress: false,
  checkpoint: { every: 2 },
  onStep: (step) => writeSync(1, `step ${step}\n`),
});
writeSync(1, `${result.reason} ${remembered()}\n`);
process.exit();
