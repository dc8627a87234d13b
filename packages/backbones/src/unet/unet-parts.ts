import { type ApplyOptions, type ConvLayer, conv, type Layer, type Module, RandomStream } from "@semiseg/nn";
import type { Tensor } from "@tensorflow/tfjs-core";
import type { ConvUnit } from "../conv-unit.js";
import { convUnit } from "../conv-unit.js";
import type { ResolvedUNetConfig } from "./unet-config.js";

/** A block of two convolutions with its variables under their public PyTorch names. */
export interface UNetBlock {
  readonly children: Readonly<Record<string, Module | undefined>>;
  apply(x: Tensor, options?: ApplyOptions): Tensor;
}

/** What differs between the 2-D and the 3-D U-Net. */
export interface UNetParts {
  /** Encoder stage 0..4, fine to coarse. */
  encoder(stage: number, inChannels: number, outChannels: number): UNetBlock;
  /** Decoder step 0..3, coarse to fine: [skip, risen] to the skip's channels. */
  decoder(step: number, inChannels: number, outChannels: number): UNetBlock;
  /** Convolution before the interpolation of a decoder step, if the network has one. */
  before(step: number, inChannels: number, outChannels: number): { name: string; layer: ConvLayer } | undefined;
  readonly alignCorners: boolean;
  /** Applied to e5 and d4, or null. */
  readonly dropout: Layer | null;
  readonly classifierName: string;
  readonly classifierSize: number;
  /** Further heads: like the classifier, or 1^d. */
  classifier(name: string, kernelSize: number, inChannels: number, outChannels: number): ConvLayer;
}

/** The tools that both kinds of parts are made with. */
export interface UNetTools {
  unit(name: string, inChannels: number, outChannels: number, activation: "relu" | "leakyRelu"): ConvUnit;
  convolution(name: string, kernelSize: number, inChannels: number, outChannels: number): ConvLayer;
}

/** Units and convolutions with initial weights from a stream per name. */
export function unetTools(config: ResolvedUNetConfig): UNetTools {
  const { spatialDims, normalization, seed } = config;
  const root = new RandomStream(seed);
  const convolution: UNetTools["convolution"] = (name, kernelSize, inChannels, outChannels) =>
    conv({
      spatialDims,
      inChannels,
      outChannels,
      kernelSize,
      random: root.fork(name),
      initialization: spatialDims === 3 ? "kaimingNormal" : "pytorch",
    });
  return {
    convolution,
    unit: (name, inChannels, outChannels, activation) =>
      convUnit(convolution(name, 3, inChannels, outChannels), outChannels, normalization, activation),
  };
}
