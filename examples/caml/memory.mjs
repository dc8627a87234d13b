#!/usr/bin/env node
// Pictures of what CAML remembers and compares, from a trained run: the memory of labelled voxels, and the correlation
// rows of an unlabelled case drawn over its volume.
// node examples/caml/memory.mjs --run runs/hippocampus-caml [--out examples/caml/pictures]
import { parseArgs } from "node:util";
import { correlationMatrix } from "@semiseg/correlation";
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
import { RandomStream } from "@semiseg/nn";
import { initBackend } from "@semiseg/runtime";
import * as tf from "@tensorflow/tfjs-core";

const { values } = parseArgs({
  options: { run: { type: "string" }, out: { type: "string", default: "examples/caml/pictures" } },
});
if (values.run === undefined) throw new RangeError("give the folder of a run: --run runs/hippocampus-caml");
await initBackend({ quiet: true });
const run = await openRun(values.run);
const { student, terms } = run.method;
const { embedding, classes } = student.provides;
const term = terms.find(({ name }) => name === "omni correlation");
const { bank } = term;

// The memory: how alike the mean vectors of every scan and class are.
const { slots, width } = bank.state;
const groups = slots.flatMap(({ id, counts, embeddings }) => {
  let at = 0;
  return counts.flatMap((count, c) => {
    const mean = new Float64Array(width);
    for (let n = 0; n < count; n++) for (let e = 0; e < width; e++) mean[e] += embeddings[at++] / count;
    return count > 0 ? [{ name: `${id} ${run.classNames[c]}`, class: c, count, mean }] : [];
  });
});
groups.sort((a, b) => a.class - b.class);
const dot = (a, b) => a.reduce((sum, v, i) => sum + v * b[i], 0);
const cosines = groups.flatMap(({ mean: a }) =>
  groups.map(({ mean: b }) => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))),
);
console.log(`memory: ${slots.length} scans, ${(bank.bytes / 2 ** 20).toFixed(1)} MiB`);
for (const { name, count } of groups) console.log(`  ${name}: ${count} vectors`);

// The queries of a case: the student's embedding through its two heads.
const { prepared } = await run.readCase(run.ids("unlabeled")[0]);
const image = run.imageOf(prepared);
const space = image.shape.slice(1, -1);
const memories = bank.sample(new RandomStream(1));
const temperature = run.config.method.correlation?.temperature ?? 0.1;
const [rows, scores] = tf.tidy(() => {
  const { logits, features } = student.apply(image);
  const embedded = tf.reshape(features[embedding.name], [-1, embedding.channels]);
  const heads = term.modules.student;
  return [correlationMatrix(heads.ask(embedded, false), memories, { temperature }), tf.softmax(logits)];
});
const predicted = largestClass(scores.dataSync(), classes);
const shares = memories
  .flatMap((memory, c) => (memory === null ? [] : [c]))
  .map((c, i) => ({
    name: run.classNames[c],
    class: c,
    values: tf.tidy(() => tf.sum(tf.slice(rows, [0, i * bank.perClass], [-1, bank.perClass]), 1).dataSync()),
  }));

// The voxel: in the largest plane, the surest one of the last class.
const truth = Uint8Array.from(prepared.labels);
const plane = largestPlane(predicted, space);
const sure = scores.dataSync();
let marked = 0;
for (let v = 0; v < predicted.length; v++)
  if (v % space[2] === plane && predicted[v] === classes - 1)
    if (predicted[marked] !== classes - 1 || sure[v * classes + classes - 1] > sure[marked * classes + classes - 1])
      marked = v;
// How much two rows overlap: 1 for equal rows, 0 for rows without a common memory vector.
const overlap = tf.tidy(() => {
  const roots = tf.sqrt(rows);
  return tf.matMul(roots, tf.slice(roots, [marked, 0], [1, -1]), false, true).dataSync();
});

const cut = (array) => planeOf(array, space, { plane });
const contours = [...contourPaths(cut(truth), { of: "truth" }), ...contourPaths(cut(predicted), { of: "prediction" })];
const [i, j] = [Math.floor(marked / (space[1] * space[2])), Math.floor(marked / space[2]) % space[1]];
const cross = { path: `M${i - 1.5} ${space[1] - j - 0.5}h4M${i + 0.5} ${space[1] - j - 2.5}v4`, color: "#fde047" };
writePicture(
  `${values.out}/memory.svg`,
  panelsSvg({
    title: "Mean memory vectors of each scan, by class: cosine of every pair",
    size: 240,
    panels: [
      {
        picture: heatPicture(
          { values: Float32Array.from(cosines), columns: groups.length, rows: groups.length },
          { low: -1, high: 1, colors: "signed", unit: "cosine" },
        ),
        caption: `${groups.length} groups: ${run.classNames.join(", ")}`,
      },
    ],
  }),
);
writePicture(
  `${values.out}/rows.svg`,
  panelsSvg({
    title: "Correlation rows of an unlabelled case",
    size: 150,
    columns: 3,
    panels: [
      {
        picture: greyPicture(cut(prepared.image)),
        caption: "truth, prediction, a voxel",
        contours: [...contours, cross],
      },
      ...shares.map(({ name, values: share }) => ({
        picture: heatPicture(cut(share), { low: 0, high: 1 }),
        caption: `row's share on ${name}`,
      })),
      { picture: heatPicture(cut(overlap), { low: 0, high: 1 }), caption: "rows like the voxel's", contours: [cross] },
    ],
  }),
);
for (const { name, class: own, values: share } of shares) {
  const of = (c) => {
    const all = share.filter((_, v) => predicted[v] === c);
    return all.length === 0 ? "none" : (all.reduce((a, b) => a + b, 0) / all.length).toFixed(2);
  };
  console.log(
    `share of rows on the memory of ${name}: ${of(own)} at voxels predicted so, ${of(own === 0 ? 1 : 0)} at ${run.classNames[own === 0 ? 1 : 0]}`,
  );
}
writePicture(
  `${values.out}/losses.svg`,
  chartSvg({
    title: "Consistency of the two networks, before weights",
    series: ["mutual consistency", "omni correlation"].map((name) => ({
      name,
      points: run.curve(({ terms: all }) => all?.[name]?.value),
    })),
    xLabel: "step",
  }),
);
tf.dispose([rows, scores, image]);
run.close();
