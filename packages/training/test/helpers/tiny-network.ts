import {
  type ApplyOptions,
  batchNorm,
  conv,
  dropout,
  loadStateDict,
  moduleOf,
  type Network,
  type NetworkOutput,
  type NetworkProvides,
  RandomStream,
} from "@semiseg/nn";
import * as tf from "@tensorflow/tfjs-core";

/** A network of two convolutions with batch norm and dropout: small, and with all that a checkpoint must hold. */
export function tinyNetwork(classes = 2, seed = 1, spatialDims: 2 | 3 = 2): Network {
  const random = new RandomStream(seed);
  const common = { spatialDims, kernelSize: 3 } as const;
  const first = conv({ ...common, inChannels: 1, outChannels: 4, random: random.fork("first") });
  const norm = batchNorm({ channels: 4 });
  const last = conv({ ...common, kernelSize: 1, inChannels: 4, outChannels: classes, random: random.fork("last") });
  const drop = dropout({ rate: 0.3 });
  const module = moduleOf({ first, norm, last });
  const feature = { name: "embedding", stride: 1, channels: 4 };
  const provides: NetworkProvides = {
    spatialDims,
    inChannels: 1,
    classes,
    dropout: true,
    normalization: "batch",
    divisor: 1,
    encoder: [feature],
    decoder: [feature],
    gated: [],
    scales: [],
    embedding: feature,
    heads: [],
  };
  return {
    ...module,
    config: { classes, seed, spatialDims },
    provides,
    apply(x: tf.Tensor, options: ApplyOptions = {}): NetworkOutput {
      return tf.tidy(() => {
        const hidden = tf.relu(norm.apply(first.apply(x, options), options));
        const dropped = drop.apply(hidden, options);
        return { logits: last.apply(dropped, options), features: { embedding: hidden }, heads: {} };
      });
    },
    clone() {
      const copy = tinyNetwork(classes, seed, spatialDims);
      loadStateDict(copy, module.named);
      return copy;
    },
  };
}
