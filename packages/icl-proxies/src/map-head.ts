import {
  type ApplyOptions,
  batchNorm,
  conv,
  convolution,
  linear,
  type Module,
  moduleOf,
  type RandomStream,
} from "@semiseg/nn";
import { depthwiseConv2d, eye, mul, reshape, type Tensor, type Tensor4D, tidy, tile } from "@tensorflow/tfjs-core";

/** Options of {@link mapHead}. */
export interface MapHeadOptions {
  readonly spatialDims: 2 | 3;
  readonly heads: number;
  readonly random: RandomStream;
}

/** From attention scores to class maps; see {@link mapHead}. */
export interface MapHead extends Module {
  /** `[B, ...s, K * heads]`, heads of a class side by side, -> logits `[B, ...s, K]`. */
  apply(scores: Tensor, options?: ApplyOptions): Tensor;
}

/**
 * Depthwise 3^d convolution, batch norm, ReLU, pointwise convolution, batch norm, ReLU, convolution to one channel, the
 * same for every class; batch statistics are over samples, classes and space.
 *
 * Variables `depthwise.weight` `[...3, 1, heads]`, `norm1.*`, `pointwise.weight`, `norm2.*`, `classifier.*`.
 */
export function mapHead({ spatialDims, heads, random }: MapHeadOptions): MapHead {
  // Only its weight is used: one kernel per head.
  const depthwise = conv({
    spatialDims,
    inChannels: 1,
    outChannels: heads,
    kernelSize: 3,
    bias: false,
    random: random.fork("depthwise"),
  });
  const pointwise = linear({ inFeatures: heads, outFeatures: heads, bias: false, random: random.fork("pointwise") });
  const classifier = linear({ inFeatures: heads, outFeatures: 1, random: random.fork("classifier") });
  const [norm1, norm2] = [batchNorm({ channels: heads, relu: true }), batchNorm({ channels: heads, relu: true })];

  /** Classes lie beside heads in the channels, so that one convolution serves all of them. */
  const filtered = (x: Tensor, classes: number): Tensor => {
    const taps = Array<number>(spatialDims).fill(3);
    const kernels = tile(reshape(depthwise.weight, [3 ** spatialDims, 1, heads]), [1, classes, 1]);
    const channels = classes * heads;
    if (spatialDims === 2)
      return depthwiseConv2d(x as Tensor4D, reshape(kernels, [3, 3, channels, 1]) as Tensor4D, 1, "same");
    // There is no depthwise convolution in 3-D: a full one with zeros between channels.
    return convolution(
      x,
      reshape(mul(reshape(kernels, [-1, 1, channels]), eye(channels)), [...taps, channels, channels]),
    );
  };

  return {
    ...moduleOf({ depthwise, norm1, pointwise, norm2, classifier }),
    apply: (scores, options) =>
      tidy(() => {
        const space = scores.shape.slice(0, -1);
        const classes = scores.shape.at(-1)! / heads;
        const rows = [scores.shape[0]!, scores.size / scores.shape[0]! / heads, heads];
        const x = filtered(scores, classes);
        const y = norm1.apply(reshape(x, rows), options);
        const z = norm2.apply(pointwise.apply(y), options);
        return reshape(classifier.apply(z), [...space, classes]);
      }),
  };
}
