import type { Network, NetworkOutput } from "@semiseg/nn";
import { resizeNearest } from "@semiseg/nn";
import { reshape, type Tensor, tidy } from "@tensorflow/tfjs-core";

/** A deep-supervision scale of one pass: the feature and the logits that belong together. */
export interface ScaleOutput {
  readonly feature: Tensor;
  readonly logits: Tensor;
}

/** The deep-supervision scales of a pass, coarse to fine. Nothing is computed. */
export function scaleOutputs(network: Network, output: NetworkOutput): ScaleOutput[] {
  return network.provides.scales.map(({ feature, head }) => ({
    feature: output.features[feature.name]!,
    logits: head === "logits" ? output.logits : output.heads[head]!,
  }));
}

/** int32 labels `[N, ...S]` by nearest neighbour at the size of `like` `[N, ...s, any]`. */
export function labelsAt(labels: Tensor, like: Tensor): Tensor {
  return tidy(() => {
    const size = like.shape.slice(1, -1);
    return reshape(resizeNearest(reshape(labels, [...labels.shape, 1]), size), [labels.shape[0]!, ...size]);
  });
}
