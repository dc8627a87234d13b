import "@tensorflow/tfjs";
import { writeSync } from "node:fs";
import { initBackend } from "@semiseg/runtime";
import * as tf from "@tensorflow/tfjs-core";
import { train } from "../../src/train/train.js";
import { tinyData, tinyMethod, tinyOptimizer } from "./tiny-run.js";

// A training process of its own, for tests that kill it: node train-child.mjs <backend> <folder> <steps>
const [backend, folder, steps] = process.argv.slice(2) as [string, string, string];
if (backend === "cpu") await tf.setBackend("cpu");
else await initBackend({ prefer: backend as "tensorflow", quiet: true });
const maxSteps = Number(steps);
try {
  const result = await train({
    method: tinyMethod(),
    data: await tinyData(maxSteps),
    optimizer: tinyOptimizer(),
    maxSteps,
    run: folder,
    resume: true,
    seed: 7,
    progress: false,
    checkpoint: { every: 3 },
    validation: { every: 5 },
    onStep: (step) => writeSync(1, `step ${step}\n`),
  });
  writeSync(1, `${result.reason}\n`);
} catch (error) {
  writeSync(1, `${(error as Error).name}: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
process.exit();
