#!/usr/bin/env node
// Pictures of what DuCiSC aligns, from a trained run: how near voxels are to the class prototypes of labelled images at
// every scale, which voxels are certain, and how the thresholds went.
// node examples/ducisc/prototypes.mjs --run runs/hippocampus-ducisc [--out examples/ducisc/pictures] [--class 1]
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
import { regionPrototypes } from "@semiseg/prototype-alignment";
import { initBackend } from "@semiseg/runtime";
import * as tf from "@tensorflow/tfjs-core";

const { values } = parseArgs({
  options: {
    run: { type: "string" },
    out: { type: "string", default: "examples/ducisc/pictures" },
    class: { type: "string", default: "1" },
  },
});
if (values.run === undefined) throw new RangeError("give the folder of a run: --run runs/hippocampus-ducisc");
await initBackend({ quiet: true });
const run = await openRun(values.run);
const { student, teacher } = run.method;
const { scales, classes } = student.provides;
const target = Number(values.class);

/** A case with its image, one-hot labels and the outputs of a network. */
async function passOf(id, network) {
  const { prepared } = await run.readCase(id);
  const image = run.imageOf(prepared);
  const space = image.shape.slice(1, -1);
  const output = network.apply(image);
  const labels = tf.tensor(Int32Array.from(prepared.labels), [1, ...space], "int32");
  return { id, prepared, image, space, output, onehot: tf.cast(tf.oneHot(labels, classes), "float32") };
}
const logitsAt = ({ output }, { head }) => (head === "logits" ? output.logits : output.heads[head]);
const featureAt = ({ output }, { feature }) => output.features[feature.name];

const labeled = await passOf(run.ids("labeled")[0], student);
const shown = await passOf(run.ids("unlabeled")[0], student);
const taught = await passOf(run.ids("unlabeled")[0], teacher.network);
const truth = Uint8Array.from(shown.prepared.labels);
const predicted = largestClass(tf.softmax(shown.output.logits).dataSync(), classes);
const plane = largestPlane(truth, shown.space);
const cut = (array) => planeOf(array, shown.space, { plane });
const contours = [...contourPaths(cut(truth), { of: "truth" }), ...contourPaths(cut(predicted), { of: "prediction" })];

// Features less what all classes share, against the prototype of the class.
const unit = (t) => tf.div(t, tf.add(tf.norm(t, 2, -1, true), 1e-12));
const similarity = (scale) =>
  tf.tidy(() => {
    const feature = featureAt(labeled, scale);
    const { prototypes } = regionPrototypes(feature, resizeNearest(labeled.onehot, feature.shape.slice(1, -1)));
    const centre = tf.mean(prototypes, 0, true);
    const direction = unit(tf.slice(tf.sub(prototypes, centre), [target, 0], [1, -1]));
    const cosine = tf.sum(tf.mul(unit(tf.sub(featureAt(shown, scale), centre)), direction), -1, true);
    return resizeNearest(cosine, shown.space).dataSync();
  });
writePicture(
  `${values.out}/similarity.svg`,
  panelsSvg({
    title: `Voxels of an unlabelled image beside the prototype of ${run.classNames[target]} of a labelled one`,
    size: 130,
    panels: [
      { picture: greyPicture(cut(shown.prepared.image)), caption: "truth and prediction", contours },
      ...scales.map((scale, i) => ({
        picture: heatPicture(cut(similarity(scale)), { low: -1, high: 1, colors: "signed" }),
        caption: `scale ${i}: ${scale.feature.name}`,
      })),
    ],
  }),
);

// Where the teacher's surest class is above its threshold.
const log = run.records("step").at(-1).log;
const thresholds = scales.map((_, i) =>
  Array.from({ length: classes }, (_, c) => log[`confidence/scale${i}/class${c}`] ?? 1 / classes),
);
const certain = (scale, i) =>
  tf.tidy(() => {
    const above = tf.any(tf.greater(tf.softmax(logitsAt(taught, scale)), tf.tensor1d(thresholds[i])), -1, true);
    return resizeNearest(tf.cast(above, "float32"), shown.space).dataSync();
  });
writePicture(
  `${values.out}/certain.svg`,
  panelsSvg({
    title: "Voxels of which the teacher is certain",
    size: 130,
    panels: scales.map((scale, i) => {
      const mask = certain(scale, i);
      const share = mask.reduce((a, b) => a + b, 0) / mask.length;
      console.log(
        `scale ${i}: ${(100 * share).toFixed(1)} % certain, thresholds ${thresholds[i].map((t) => t.toFixed(3)).join(" ")}`,
      );
      return { picture: heatPicture(cut(mask), { low: 0, high: 1, colors: "grey" }), caption: `scale ${i}`, contours };
    }),
  }),
);

const series = Array.from({ length: classes }, (_, c) =>
  [0, scales.length - 1].map((i) => ({
    name: `${run.classNames[c]}, scale ${i}`,
    points: run.curve((record) => record.log[`confidence/scale${i}/class${c}`]),
  })),
).flat();
writePicture(
  `${values.out}/thresholds.svg`,
  chartSvg({
    title: "Self-aware thresholds",
    series: series.filter(({ points }) => points.length > 0),
    xLabel: "step",
  }),
);
writePicture(
  `${values.out}/losses.svg`,
  chartSvg({
    title: "Losses before normalisation",
    series: ["deep supervision", "certain pseudo-labels", "fused images"].map((name) => ({
      name,
      points: run.curve((record) => record.log[`${name}/value`]),
    })),
    xLabel: "step",
  }),
);
run.close();
