/**
 * Quickstart: generated 3-D phantoms, a V-Net trained on a few labelled cases alone and as a mean teacher with unlabelled
 * cases beside them, both measured on unseen phantoms. Run it with `npm run quickstart`.
 */
import { join } from "node:path";
import { batchPlan, createBatchLoader, createSplitManifest, openDataset, restrictDataset } from "@semiseg/data";
import { polynomialDecay } from "@semiseg/method";
import { adamW } from "@semiseg/nn";
import { meanTeacher, supervised } from "@semiseg/presets";
import { initBackend } from "@semiseg/runtime";
import { evaluateRun, evaluationCases, progressBar, runPaths, summaryTable, train } from "@semiseg/training";

const began = performance.now();
const engine = await initBackend();
const native = engine.name === "tensorflow" || engine.name === "cuda";
// What fits into a few minutes: the fallback engines are far slower, so they get smaller phantoms and fewer steps.
const size = native
  ? { shape: [48, 48, 32], filters: 8, steps: 320, labeled: 3, train: 19, test: 8 }
  : { shape: [32, 32, 16], filters: 4, steps: 400, labeled: 2, train: 11, test: 4 };
if (!native) console.log(`fallback engine ${engine.name}: smaller phantoms, a smaller network and ${size.steps} steps`);

const dataset = await openDataset({
  kind: "phantom",
  shape: size.shape,
  organs: 2,
  train: size.train,
  validation: 2,
  test: size.test,
  seed: 1,
});
const manifest = await createSplitManifest(dataset, { labeledCount: size.labeled, seed: 0 });
console.log(
  `${dataset.cases.length} phantoms of ${size.shape.join("x")} voxels (${dataset.classNames.slice(1).join(", ")}): ` +
    `${manifest.labeled.length} labelled, ${manifest.unlabeled.length} unlabelled, ${manifest.test.length} to test on`,
);

const root = join("runs", `quickstart-${new Date().toISOString().slice(0, 19).replace(/:/g, "-")}`);
const network = {
  spatialDims: 3,
  inChannels: 1,
  outChannels: dataset.classNames.length,
  baseFilters: size.filters,
  // Group norm: with so few labelled cases and steps, statistics of a batch that mixes labelled and unlabelled samples let
  // the network tell the two apart instead of learning anatomy.
  normalization: "group",
  dropout: 0.2,
  seed: 1,
};

/** Trains one method, measures every model of it on the test phantoms and writes its report. */
async function runMethod(method, unlabeled) {
  const run = join(root, method.name);
  const loader = createBatchLoader({
    // The trainer gets no test case.
    dataset: restrictDataset(dataset, manifest.train),
    plan: batchPlan({
      labeled: manifest.labeled,
      unlabeled: manifest.unlabeled,
      labeledBatchSize: 2,
      unlabeledBatchSize: unlabeled,
      seed: 1,
    }),
    patchSize: size.shape,
    augment: {
      flipAxes: [],
      rot90Axes: null,
      noise: [0, 0.2],
      noiseProbability: 0.5,
      brightness: [0.8, 1.2],
      brightnessProbability: 0.5,
    },
    seed: 1,
    maxSteps: size.steps,
  });
  const optimizer = adamW({
    learningRate: (step) => 0.003 * polynomialDecay(step, size.steps),
    weightDecay: 0.01,
  });
  const start = performance.now();
  await train({
    method,
    data: { loader, classNames: dataset.classNames, manifest },
    optimizer,
    maxSteps: size.steps,
    run,
    seed: 1,
    config: { quickstart: size, method: method.name, network },
  });
  await loader.close();
  const seconds = (performance.now() - start) / 1000;
  const cases = evaluationCases(dataset, { part: "test", ids: manifest.test });
  const bar = progressBar({ total: manifest.test.length * (method.teacher ? 2 : 1), label: `evaluate ${method.name}` });
  let done = 0;
  const evaluations = await evaluateRun({
    run,
    network: method.student,
    cases,
    facts: { engine: `${engine.engine} ${engine.version}`, "training seconds": seconds.toFixed(0) },
    onCase: () => bar.update(++done),
  });
  bar.finish();
  optimizer.dispose();
  method.dispose();
  return { name: method.name, run, evaluations };
}

const results = [
  await runMethod(supervised({ network }), 0),
  await runMethod(
    // A faster teacher and an earlier consistency than the field's defaults, which are meant for many thousand steps.
    meanTeacher({ network, teacher: { decay: 0.97 }, consistency: { weight: 1, rampLength: size.steps / 2 } }),
    2,
  ),
];

const meanDice = ({ summary }) => summary.find((row) => row.class === "mean" && row.metric === "dice").mean;
for (const { name, run, evaluations } of results)
  console.log(`\n${name}\n${summaryTable(evaluations)}\nreport: ${runPaths(run).report}`);
const [alone, teacher] = results.map(({ evaluations }) => meanDice(evaluations.at(-1)));
console.log(
  `\nmean foreground Dice on unseen phantoms: supervised ${alone.toFixed(3)}, mean teacher ${teacher.toFixed(3)}: ` +
    (teacher > alone ? "the unlabelled phantoms helped" : "the unlabelled phantoms did not help in this run"),
);
if (teacher <= 0.8)
  console.log(`the goal of 0.80 was not reached${native ? "" : " (fallback engine, smaller preset)"}`);
console.log(`${((performance.now() - began) / 60000).toFixed(1)} minutes`);
