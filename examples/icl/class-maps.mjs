#!/usr/bin/env node
// Pictures of what ICL's class proxies attend to, from a trained run: class maps of an image at every scale, asked for with
// the image's own proxies (SSPA) and with those of the labelled images (USCL), beside the prediction; and how alike the
// proxies of the classes are. node examples/icl/class-maps.mjs --run runs/hippocampus-icl [--out examples/icl/pictures]
// [--part unlabeled] [--case 0] [--prefix NAME-]
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
import { initBackend } from "@semiseg/runtime";
import * as tf from "@tensorflow/tfjs-core";

const { values } = parseArgs({
  options: {
    run: { type: "string" },
    out: { type: "string", default: "examples/icl/pictures" },
    part: { type: "string", default: "unlabeled" },
    case: { type: "string", default: "0" },
    prefix: { type: "string", default: "" },
  },
});
if (values.run === undefined) throw new RangeError("give the folder of a run: --run runs/hippocampus-icl");
await initBackend({ quiet: true });
const run = await openRun(values.run);
const { student, terms } = run.method;
const proxies = terms.find((term) => term.proxies)?.proxies;
if (!proxies) throw new RangeError(`${values.run}: the method has no semantic proxies; give a run of method icl`);
const { adaptor, learner } = proxies.modules;
const names = run.classNames;
const classes = names.length;

/** The middle of a case at the size of the training patches, which the network takes whole. */
async function passOf(id) {
  const { prepared } = await run.readCase(id);
  const size = run.config.data.patchSize;
  const space = prepared.imageShape.slice(0, -1);
  const begin = space.map((n, i) => Math.max(0, (n - size[i]) >> 1));
  const extent = size.map((n, i) => Math.min(n, space[i]));
  const image = tf.slice(run.imageOf(prepared), [0, ...begin, 0], [1, ...extent, prepared.imageShape.at(-1)]);
  const labels = tf.slice(tf.tensor(Int32Array.from(prepared.labels), space, "int32"), begin, extent);
  const { logits, features } = student.apply(image);
  return {
    id,
    image,
    labels: labels.dataSync(),
    space: extent,
    logits,
    features: proxies.features.map(({ name }) => features[name]),
  };
}

const labeled = [];
for (const id of run.ids("labeled")) labeled.push(adaptor.apply((await passOf(id)).features).proxies);
// What the term averages over a batch, over all labelled images.
const known = proxies.features.map((_, i) => tf.mean(tf.concat(labeled.map((scales) => scales[i])), 0, true));

const shown = await passOf(run.ids(values.part)[Number(values.case)]);
const at = shown.space.length === 2 ? {} : { plane: largestPlane(shown.labels, shown.space) };
const truth = planeOf(shown.labels, shown.space, at);
const predicted = planeOf(largestClass(shown.logits.dataSync(), classes), shown.space, at);
const dice = (k) => {
  const [a, b] = [truth.values, predicted.values].map((v) => Array.from(v, (label) => label === k));
  const both = a.filter((v, i) => v && b[i]).length;
  return (2 * both) / Math.max(1, a.filter(Boolean).length + b.filter(Boolean).length);
};

/** The plane of a map that holds the shown plane, one class of its softmax. */
function classPlane(map, k) {
  const space = map.shape.slice(1, -1);
  const channel = tf.tidy(() =>
    tf.slice(tf.softmax(map), [...Array(map.rank - 1).fill(0), k], [...map.shape.slice(0, -1), 1]).dataSync(),
  );
  const plane = at.plane === undefined ? {} : { plane: Math.floor((at.plane * space.at(-1)) / shown.space.at(-1)) };
  return planeOf(channel, space, plane);
}

const own = adaptor.apply(shown.features).maps;
const asked = learner.apply(shown.features, known).maps;
const grey = greyPicture(planeOf(shown.image.dataSync(), [...shown.space], at));
const panels = [];
const foreground = Array.from({ length: classes - 1 }, (_, i) => i + 1);
for (const [title, maps] of [
  ["own proxies (SSPA)", own],
  ["labelled proxies (USCL)", asked],
])
  for (const [i, map] of maps.entries()) {
    const first = panels.length === 0;
    panels.push({
      picture: grey,
      caption: first ? "truth (green), prediction (red)" : `${title}, scale ${i + 1}`,
      contours: first
        ? [...contourPaths(truth, { of: "truth" }), ...contourPaths(predicted, { of: "prediction" })]
        : contourPaths(truth, { of: "truth" }),
    });
    for (const k of foreground)
      panels.push({
        picture: heatPicture(classPlane(map, k), { low: 0, high: 1 }),
        caption: `${names[k]}, ${map.shape.slice(1, -1).join("x")}`,
      });
  }
writePicture(
  `${values.out}/${values.prefix}class-maps.svg`,
  panelsSvg({
    title: `Class maps of ${shown.id}: rows 1 to ${own.length} by its own proxies, then by the labelled images'`,
    columns: classes,
    size: 150,
    panels,
  }),
);

// How alike classes are, by the angle between their proxies less what all classes share.
writePicture(
  `${values.out}/${values.prefix}proxies.svg`,
  panelsSvg({
    title: "Cosine between the classes' proxies at each scale, mean over labelled images",
    size: 110,
    panels: known.map((p, i) => {
      const matrix = tf.tidy(() => {
        const rows = tf.squeeze(tf.sub(p, tf.mean(p, 1, true)), [0]);
        const unit = tf.div(rows, tf.add(tf.norm(rows, 2, -1, true), 1e-12));
        return tf.matMul(unit, unit, false, true).dataSync();
      });
      const picture = heatPicture(
        { values: matrix, columns: classes, rows: classes },
        { low: -1, high: 1, colors: "signed" },
      );
      return { picture, caption: `scale ${i + 1}, ${p.shape[2]} numbers` };
    }),
  }),
);
const curveOf = (term) => ({ name: term, points: run.curve(({ terms: t }) => t[term]?.value) });
writePicture(
  `${values.out}/${values.prefix}losses.svg`,
  chartSvg({
    title: "Losses before their weights",
    xLabel: "step",
    series: terms.map(({ name }) => curveOf(name)),
  }),
);
const quality = foreground.map((k) => `${names[k]} ${dice(k).toFixed(3)}`);
console.log(`${shown.id}, shown plane: Dice of the prediction ${quality.join(", ")}`);
console.log(
  `written: ${values.prefix}class-maps.svg, ${values.prefix}proxies.svg, ${values.prefix}losses.svg in ${values.out}`,
);
run.close();
