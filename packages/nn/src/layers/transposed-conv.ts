import { checkChoice, checkNumber } from "@semiseg/errors";
import { add, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { moduleOf } from "../module.js";
import { checkChannelsLast, type PerAxis, perAxis, product } from "../ops/spatial.js";
import { transposedConvolution } from "../ops/transposed-convolution.js";
import type { RandomStream } from "../random-stream.js";
import type { ConvLayer } from "./conv.js";
import { type Initialization, kernelVariable, uniformVariable } from "./initialize.js";

/** Options of {@link transposedConv}. */
export interface TransposedConvOptions {
  readonly spatialDims: 2 | 3;
  readonly inChannels: number;
  readonly outChannels: number;
  /** Default 2. */
  readonly kernelSize?: PerAxis;
  /** Default 2. */
  readonly strides?: PerAxis;
  /** Default true. */
  readonly bias?: boolean;
  readonly random: RandomStream;
  readonly initialization?: Initialization;
}

/**
 * A transposed convolution without padding, channels last: sizes S become `(S - 1) * strides + k`.
 * Variables `weight` `[...k, out, in]` and `bias` `[out]`; as in PyTorch their fan-in is `out * k^d`.
 */
export function transposedConv(options: TransposedConvOptions): ConvLayer {
  const { spatialDims, inChannels, outChannels, random, strides = 2 } = options;
  checkChoice("transposedConv", "spatialDims", String(spatialDims), ["2", "3"]);
  checkNumber("transposedConv", "inChannels", inChannels, { integer: true, min: 1 });
  checkNumber("transposedConv", "outChannels", outChannels, { integer: true, min: 1 });
  const size = perAxis("transposedConv", "kernelSize", options.kernelSize ?? 2, spatialDims);
  const fanIn = outChannels * product(size);
  const weight = kernelVariable([...size, outChannels, inChannels], fanIn, random, options.initialization);
  const bias = (options.bias ?? true) ? uniformVariable([outChannels], 1 / Math.sqrt(fanIn), random) : null;
  const convolve = (x: Tensor, kernel: Tensor = weight): Tensor => {
    checkChannelsLast("transposedConv", x, spatialDims, inChannels);
    return transposedConvolution(x, kernel, { strides });
  };
  return {
    ...moduleOf({ weight, bias: bias ?? undefined }),
    weight,
    bias,
    convolve,
    apply: (x) => (bias ? tidy(() => add(convolve(x), bias)) : convolve(x)),
  };
}
