import { channelDropout, conv, loadStateDict, moduleOf, type Network, RandomStream, stateDict } from "@semiseg/nn";
import { dispose } from "@tensorflow/tfjs-core";

/** A real network of one hidden layer, for tests of what is built around networks. */
export function tinyNetwork(
  options: { seed?: number; classes?: number; dropout?: number; scales?: boolean } = {},
): Network {
  const { seed = 0, classes = 2, dropout = 0.5 } = options;
  const random = new RandomStream(seed);
  const hidden = conv({ spatialDims: 2, inChannels: 1, outChannels: 4, kernelSize: 3, random: random.fork("hidden") });
  const out = conv({ spatialDims: 2, inChannels: 4, outChannels: classes, kernelSize: 1, random: random.fork("out") });
  const drop = channelDropout({ rate: dropout });
  const embedding = { name: "x", stride: 1, channels: 4 };
  const module = moduleOf({ hidden, out });
  return {
    ...module,
    config: { seed },
    provides: {
      spatialDims: 2,
      inChannels: 1,
      classes,
      dropout: dropout > 0,
      normalization: "none",
      divisor: 1,
      encoder: [embedding],
      decoder: [embedding],
      gated: [],
      scales: [],
      embedding,
      heads: [],
    },
    apply: (x, o = {}) => {
      const features = drop.apply(hidden.apply(x), o);
      return { logits: out.apply(features), features: { x: features }, heads: {} };
    },
    clone: () => {
      const copy = tinyNetwork(options);
      const state = stateDict(module);
      loadStateDict(copy, state);
      dispose([...state.values()]);
      return copy;
    },
  };
}
