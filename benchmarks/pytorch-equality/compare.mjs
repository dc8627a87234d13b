import { unet, vnet } from "@semiseg/backbones";
import { decodeSafetensors, pyTorchStateDict, sgd } from "@semiseg/nn";
import * as tf from "@tensorflow/tfjs-core";

/** How each network of reference.py is built here. Dropout is off: masks cannot be equal. */
const BUILD = {
  vnet: (baseFilters) => vnet({ baseFilters, dropout: 0, seed: 7 }),
  unet3d: (baseFilters) => unet({ spatialDims: 3, baseFilters, dropout: 0, seed: 7 }),
  unet2d: (baseFilters) => unet({ spatialDims: 2, outChannels: 4, baseFilters, dropout: 0, seed: 7 }),
};
const FINEST = {
  vnet: "block_one.conv.0.weight",
  unet3d: "conv1.conv1.0.weight",
  unet2d: "encoder.in_conv.conv_conv.0.weight",
};

/** Channels first to last. */
const last = (x) => tf.transpose(x, [0, ...Array.from({ length: x.rank - 2 }, (_, i) => i + 2), 1]);

/** Largest difference over the largest value. */
function relative(a, b) {
  return tf.tidy(() => {
    const scale = Math.max(tf.max(tf.abs(b)).dataSync()[0], 1e-12);
    return tf.max(tf.abs(tf.sub(a, b))).dataSync()[0] / scale;
  });
}

/** 0.5 * (cross-entropy + Dice of the foreground, squared denominators): the loss of the reference. */
function segmentationLoss(logits, onehot) {
  return tf.tidy(() => {
    const classes = logits.shape.at(-1);
    const rows = tf.reshape(logits, [-1, classes]);
    const truth = tf.reshape(onehot, [-1, classes]);
    const p = tf.softmax(rows);
    const crossEntropy = tf.neg(tf.mean(tf.sum(tf.mul(truth, tf.logSoftmax(rows)), 1)));
    const overlap = tf.add(tf.mul(2, tf.sum(tf.mul(p, truth), 0)), 1e-5);
    const sums = tf.add(tf.add(tf.sum(tf.square(p), 0), tf.sum(tf.square(truth), 0)), 1e-5);
    const dice = tf.sub(1, tf.div(overlap, sums));
    return tf.mul(0.5, tf.add(crossEntropy, tf.mean(tf.slice(dice, [1], [classes - 1]))));
  });
}

/**
 * Runs one network of reference.py on the current backend and compares: logits in eval and training mode, running
 * statistics, loss, and weights after one SGD step. All errors are relative to the largest value of the tensor; `update`
 * is the error of the step itself (new minus old weights), in the Euclidean norm over all weights.
 */
export function compareNetwork(name, bytes) {
  const reference = decodeSafetensors(bytes);
  const under = (prefix) =>
    new Map([...reference].flatMap(([key, x]) => (key.startsWith(prefix) ? [[key.slice(prefix.length), x]] : [])));
  const weights = under("weights.");
  const net = BUILD[name](weights.get(FINEST[name]).shape[0]);
  net.fromPyTorch(weights);
  const x = last(reference.get("input"));
  const target = tf.tidy(() => tf.cast(tf.oneHot(reference.get("labels"), net.provides.classes), "float32"));

  const evaluated = relative(net.apply(x).logits, last(reference.get("eval")));
  const trainable = [...net.named].filter(([, v]) => v.trainable);
  let trained = 0;
  const { value, grads } = tf.variableGrads(
    () => {
      const { logits } = net.apply(x, { training: true });
      trained = relative(logits, last(reference.get("train")));
      return segmentationLoss(logits, target);
    },
    trainable.map(([, v]) => v),
  );
  sgd({ learningRate: 0.01, momentum: 0.9, weightDecay: 1e-4 }).apply(
    new Map(trainable.map(([key, v]) => [key, grads[v.name]])),
    net.named,
    0,
  );

  const after = pyTorchStateDict(net);
  const worst = (expected) => Math.max(0, ...[...expected].map(([key, b]) => relative(after.get(key), b)));
  const stepped = under("stepped.");
  const squares = (pick) =>
    [...stepped].reduce((sum, [key, b]) => sum + tf.sum(tf.square(pick(key, b))).dataSync()[0], 0);
  const result = {
    parameters: trainable.reduce((n, [, v]) => n + v.size, 0),
    eval: evaluated,
    train: trained,
    running: worst(under("running.")),
    loss: Math.abs(value.dataSync()[0] / reference.get("loss").dataSync()[0] - 1),
    weights: worst(stepped),
    update: Math.sqrt(
      squares((key, b) => tf.sub(after.get(key), b)) / squares((key, b) => tf.sub(b, weights.get(key))),
    ),
  };
  net.dispose();
  return result;
}

/** What is promised, by field of `compareNetwork`'s result. */
export const LIMITS = { eval: 1e-4, train: 1e-4, running: 1e-4, loss: 1e-4, weights: 1e-3 };
