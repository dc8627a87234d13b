#!/usr/bin/env node
// Pictures of what TAC aligns, from a trained run: similarity of class vectors between labelled and unlabelled images at
// every scale, where an unlabelled image looks like a class, and how norms and spread of the vectors went.
// node examples/tac/similarity.mjs --run runs/hippocampus-tac [--out examples/tac/pictures] [--class 1] [--cases 3]
import { parseArgs } from "node:util";
import {
  chartSvg,
  contourPaths,
  greyPicture,
  heatPicture,
  largestClass,
  largestPlane,
  openRun,
  panelsSvg,
  planeOf,
  writePicture,
} from "@semiseg/example-tools";
import { resizeNearest } from "@semiseg/nn";
import { initBackend } from "@semiseg/runtime";
import { classRepresentations } from "@semiseg/task-affinity";
import * as tf from "@tensorflow/tfjs-core";

const { values } = parseArgs({
  options: {
    run: { type: "string" },
    out: { type: "string", default: "examples/tac/pictures" },
    class: { type: "string", default: "1" },
    cases: { type: "string", default: "3" },
    prefix: { type: "string", default: "" },
  },
});
if (values.run === undefined) throw new RangeError("give the folder of a run: --run runs/hippocampus-tac");
await initBackend({ quiet: true });
const run = await openRun(values.run);
const { student } = run.method;
const { encoder, gated, classes } = student.provides;
// Fine to coarse in both views.
const levels = [...encoder, ...[...gated].reverse()].map(({ name }) => name);
const target = Number(values.class);

/** The middle of a case at the size of the training patches, which the network takes whole. */
function middle(prepared) {
  const size = run.config.data.patchSize;
  const space = prepared.imageShape.slice(0, -1);
  const begin = space.map((n, i) => Math.max(0, (n - size[i]) >> 1));
  const cut = (t) => tf.slice(t, [0, ...begin, 0], [1, ...size.map((n, i) => Math.min(n, space[i])), t.shape.at(-1)]);
  const labels = tf.cast(tf.oneHot(tf.tensor1d(Int32Array.from(prepared.labels), "int32"), classes), "float32");
  return {
    image: cut(run.imageOf(prepared)),
    onehot: cut(tf.reshape(labels, [1, ...space, classes])),
  };
}

/** A case with its features and prediction. */
async function passOf(id) {
  const { prepared } = await run.readCase(id);
  const { image, onehot } = middle(prepared);
  const { logits, features } = student.apply(image);
  return { id, image, onehot, features, scores: tf.softmax(logits) };
}

/** Class vectors of a few cases, `[K, F]` per level, pooled under labels or prediction. */
function vectorsOf(passes, guideOf) {
  return levels.map((level) =>
    tf.tidy(() => {
      const features = tf.concat(passes.map((pass) => pass.features[level]));
      const guide = tf.concat(
        passes.map((pass) => resizeNearest(guideOf(pass), pass.features[level].shape.slice(1, -1))),
      );
      return classRepresentations(features, guide).vectors;
    }),
  );
}

const unit = (v) => tf.div(v, tf.add(tf.norm(v, 2, -1, true), 1e-12));
const take = (ids) => Promise.all(ids.slice(0, Number(values.cases)).map(passOf));
const labeled = await take(run.ids("labeled"));
const unlabeled = await take(run.ids("unlabeled"));
const known = vectorsOf(labeled, ({ onehot }) => onehot);
const guessed = vectorsOf(unlabeled, ({ scores }) => scores);

const matrices = levels.map((level, i) => {
  // What all classes share says nothing of a class: the mean over classes of the labelled half goes.
  const matrix = tf.tidy(() => {
    const centre = tf.mean(known[i], 0, true);
    return tf.matMul(unit(tf.sub(guessed[i], centre)), unit(tf.sub(known[i], centre)), false, true).dataSync();
  });
  return { level, matrix };
});
writePicture(
  `${values.out}/${values.prefix}class-vectors.svg`,
  panelsSvg({
    title: "Class vectors: unlabelled under prediction (across) against labelled under truth (upwards)",
    size: 96,
    columns: 5,
    panels: matrices.map(({ level, matrix }) => ({
      picture: heatPicture({ values: matrix, columns: classes, rows: classes }, { low: -1, high: 1, colors: "signed" }),
      caption: level,
    })),
  }),
);
const rootMeanSquare = (t) => tf.sqrt(tf.mean(tf.square(t))).dataSync()[0];
for (const [i, { level, matrix }] of matrices.entries()) {
  const own = Array.from({ length: classes }, (_, k) => matrix[k * classes + k].toFixed(2));
  const norm = rootMeanSquare(guessed[i]);
  const spread = rootMeanSquare(tf.sub(guessed[i], tf.mean(guessed[i], 0, true))) / norm;
  console.log(
    `${level.padEnd(4)} cosine of each class with itself ${own.join(" ")}; unlabelled norm ${norm.toFixed(3)}, spread ${spread.toFixed(3)}`,
  );
}

// Where one unlabelled image looks like the class, seen from each scale.
const shown = unlabeled[0];
const space = shown.image.shape.slice(1, -1);
const flat = space.length === 2;
const truth = tf.argMax(shown.onehot, -1).dataSync();
const at = flat ? {} : { plane: largestPlane(truth, space) };
const cut = (array) => planeOf(array, space, at);
const similarity = (level, i) =>
  tf.tidy(() => {
    const centre = tf.mean(known[i], 0, true);
    const direction = unit(tf.slice(tf.sub(known[i], centre), target, 1));
    const cosine = tf.sum(tf.mul(unit(tf.sub(shown.features[level], centre)), direction), -1, true);
    return resizeNearest(cosine, space).dataSync();
  });
const contours = [
  ...contourPaths(cut(truth), { of: "truth" }),
  ...contourPaths(cut(largestClass(shown.scores.dataSync(), classes))),
];
writePicture(
  `${values.out}/${values.prefix}voxels.svg`,
  panelsSvg({
    title: `How much voxels of an unlabelled image look like ${run.classNames[target]} of labelled ones`,
    size: 130,
    columns: 5,
    panels: [
      {
        picture: greyPicture(cut(tf.slice(shown.image, 0, [1, ...space, 1]).dataSync())),
        caption: "image, truth, prediction",
        contours,
      },
      ...levels.map((level, i) => ({
        picture: heatPicture(cut(similarity(level, i)), { low: -1, high: 1, colors: "signed" }),
        caption: level,
      })),
    ],
  }),
);

for (const [what, title] of [
  ["unlabeled norm", "Root mean square of the unlabelled class vectors"],
  ["unlabeled spread", "Their differences between classes, relative to it"],
]) {
  const series = levels
    .map((level) => ({ name: level, points: run.curve(({ log }) => log[`class vectors/${level}/${what}`]) }))
    .filter(({ points }) => points.length > 0);
  if (series.length === 0) continue;
  writePicture(
    `${values.out}/${values.prefix}${what.split(" ")[1]}.svg`,
    chartSvg({ title, series: series.slice(0, 9), xLabel: "step" }),
  );
  for (const { name, points } of series) {
    const all = points.map(([, v]) => v);
    const tail = all.slice(-Math.ceil(all.length / 10));
    const mean = (list) => list.reduce((a, b) => a + b, 0) / list.length;
    console.log(
      `${what}, ${name.padEnd(4)} first ${all[0].toFixed(3)}, smallest ${Math.min(...all).toFixed(3)}, mean of the last tenth ${mean(tail).toFixed(3)}`,
    );
  }
}
run.close();
