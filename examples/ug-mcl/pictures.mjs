/**
 * The pictures of the tutorial, from a run of UG-MCL:
 *
 *   node examples/ug-mcl/pictures.mjs runs/hippocampus-ug-mcl
 *
 * An unlabelled training case: image and prediction, distance map, the mask it stands for, the teacher's uncertainty and
 * the voxels that count; over the run: mask coverage, terms and teacher distance.
 */
import {
  channelOf,
  chartSvg,
  contourPaths,
  greyPicture,
  heatPicture,
  labelPicture,
  largestClass,
  largestPlane,
  openRun,
  panelsSvg,
  planeOf,
  writePicture,
} from "@semiseg/example-tools";
import { distanceToProbability } from "@semiseg/mutual-consistency";
import { RandomStream } from "@semiseg/nn";
import { initBackend } from "@semiseg/runtime";
import { entropyThreshold, monteCarloProbabilities, predictiveEntropy } from "@semiseg/uncertainty";
import * as tf from "@tensorflow/tfjs-core";

const [folder, step] = process.argv.slice(2);
if (!folder) {
  console.error("usage: node examples/ug-mcl/pictures.mjs <run folder> [step]");
  process.exit(2);
}
await initBackend({ quiet: true });
const run = await openRun(folder, step ? { step: Number(step) } : {});
const { method, config, classNames, manifest } = run;
const at = (name) => new URL(`pictures/${name}.svg`, import.meta.url);

const { prepared } = await run.readCase(manifest.unlabeled[0] ?? manifest.train[0]);
const space = prepared.imageShape.slice(0, -1);
const cut = { plane: largestPlane(prepared.labels, space) };
const plane = (values) => planeOf(values, space, cut);
const maps = classNames.length - 1;

const found = tf.tidy(() => {
  const x = run.imageOf(prepared);
  const { logits, heads } = method.student.apply(x, { training: false });
  const random = new RandomStream(1);
  const samples = monteCarloProbabilities(
    (noisy, pass) =>
      method.teacher.network.apply(noisy, { training: true, updateBuffers: false, random: random.fork(pass) }).logits,
    x,
    { samples: 8, random: random.fork("noise") },
  );
  return {
    labels: largestClass(logits.dataSync(), classNames.length),
    distance: heads.distance.dataSync(),
    inside: distanceToProbability(heads.distance).dataSync(),
    entropy: predictiveEntropy(samples).dataSync(),
  };
});
const outlines = [
  ...contourPaths(plane(prepared.labels), { of: "truth" }),
  ...contourPaths(plane(found.labels), { of: "prediction" }),
];
const title = `${prepared.id} (unlabelled in training), step ${run.step} of ${config.maxSteps}`;

writePicture(
  at("heads"),
  panelsSvg({
    title,
    panels: [
      {
        picture: greyPicture(plane(prepared.image)),
        caption: "truth (green) and prediction (red)",
        contours: outlines,
      },
      ...Array.from({ length: maps }, (_, c) => ({
        picture: heatPicture(plane(channelOf(found.distance, maps, c)), { colors: "signed", low: -1, high: 1 }),
        caption: `signed distance: ${classNames[c + 1]}`,
        contours: outlines.slice(0, 0),
      })),
      {
        picture: heatPicture(plane(channelOf(found.inside, maps, 0)), { low: 0, high: 1 }),
        caption: `mask it stands for: ${classNames[1]}`,
      },
    ],
  }),
);
writePicture(
  at("uncertainty"),
  panelsSvg({
    title,
    panels: [
      {
        picture: heatPicture(plane(found.entropy), { low: 0, high: Math.log(classNames.length), unit: "nats" }),
        caption: "teacher's entropy, 8 passes",
      },
      ...[0, run.step].map((step) => {
        const threshold = entropyThreshold(step, config.maxSteps, classNames.length);
        const sure = plane(found.entropy.map((u) => (u < threshold ? 1 : 0)));
        return {
          picture: labelPicture(sure, { under: plane(prepared.image), colors: ["#22c55e"], opacity: 0.35 }),
          caption: `below ${threshold.toFixed(2)}, as at step ${step}`,
          contours: contourPaths(plane(prepared.labels), { of: "truth" }),
        };
      }),
    ],
  }),
);
const terms = [...new Set(run.records().flatMap((record) => Object.keys(record.terms)))];
writePicture(
  at("coverage"),
  chartSvg({
    title: "Share of voxels that the teacher is sure of",
    series: [{ name: "mask coverage", points: run.curve(({ log }) => log["intra-task consistency/coverage"]) }],
  }),
);
writePicture(
  at("terms"),
  chartSvg({
    title: "Terms, weighted",
    series: terms.map((name) => ({ name, points: run.curve((record) => record.terms[name]?.weighted) })),
  }),
);
writePicture(
  at("teacher"),
  chartSvg({
    title: "Distance of the teacher's weights, |teacher - student| / |student|",
    series: [{ name: "teacher distance", points: run.curve(({ log }) => log["teacher distance"]) }],
  }),
);
run.close();
