import { checkChoice, checkNumber } from "@semiseg/errors";
import { add, type Tensor, tidy, type Variable } from "@tensorflow/tfjs-core";
import { type Layer, moduleOf } from "../module.js";
import { type ConvolutionOptions, convolution } from "../ops/convolution.js";
import { checkChannelsLast, type PerAxis, perAxis, product } from "../ops/spatial.js";
import type { RandomStream } from "../random-stream.js";
import { type Initialization, kernelVariable, uniformVariable } from "./initialize.js";

/** Options of {@link conv}. */
export interface ConvOptions extends ConvolutionOptions {
  readonly spatialDims: 2 | 3;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: PerAxis;
  /** Default true. */
  readonly bias?: boolean;
  readonly random: RandomStream;
  readonly initialization?: Initialization;
}

/** A convolution with its parts in reach, for networks that fold or skip them. */
export interface ConvLayer extends Layer {
  /** `[...k, in, out]` (`[...k, out, in]` when transposed). */
  readonly weight: Variable;
  /** `[out]`. */
  readonly bias: Variable | null;
  /** The output without bias, with `kernel` in place of `weight` if given. */
  convolve(x: Tensor, kernel?: Tensor): Tensor;
}

/** A 2-D or 3-D convolution, channels last. Variables `weight` `[...k, in, out]` and `bias` `[out]`. */
export function conv(options: ConvOptions): ConvLayer {
  const { spatialDims, inChannels, outChannels, random, strides = 1, padding = "same" } = options;
  checkChoice("conv", "spatialDims", String(spatialDims), ["2", "3"]);
  checkNumber("conv", "inChannels", inChannels, { integer: true, min: 1 });
  checkNumber("conv", "outChannels", outChannels, { integer: true, min: 1 });
  const size = perAxis("conv", "kernelSize", options.kernelSize, spatialDims);
  const fanIn = inChannels * product(size);
  const weight = kernelVariable([...size, inChannels, outChannels], fanIn, random, options.initialization);
  const bias = (options.bias ?? true) ? uniformVariable([outChannels], 1 / Math.sqrt(fanIn), random) : null;
  const convolve = (x: Tensor, kernel: Tensor = weight): Tensor => {
    checkChannelsLast("conv", x, spatialDims, inChannels);
    return convolution(x, kernel, { strides, padding });
  };
  return {
    ...moduleOf({ weight, bias: bias ?? undefined }),
    weight,
    bias,
    convolve,
    apply: (x) => (bias ? tidy(() => add(convolve(x), bias)) : convolve(x)),
  };
}
