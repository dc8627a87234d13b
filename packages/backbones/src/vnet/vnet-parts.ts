import { type ApplyOptions, conv, type Module, moduleOf, RandomStream, resize, transposedConv } from "@semiseg/nn";
import { type Tensor, tidy } from "@tensorflow/tfjs-core";
import { type ConvUnit, convUnit } from "../conv-unit.js";
import type { VNetConfig, VNetDecoderKind } from "./vnet-config.js";

/** A part of a network: tensor in, tensor out, variables named as in the public PyTorch V-Nets. */
export interface Part extends Module {
  apply(x: Tensor, options?: ApplyOptions): Tensor;
}

/** Builds the parts of one V-Net. */
export interface Parts {
  /** `repeats` x [conv 3^d, norm, ReLU]. */
  block(name: string, repeats: number, inChannels: number, outChannels: number): Part;
  /** conv k2 s2, norm, ReLU. */
  down(name: string, inChannels: number): Part;
  /** Doubles sizes and halves channels, norm, ReLU. */
  up(name: string, inChannels: number, kind: VNetDecoderKind): Part;
  /** conv 1^d with bias. */
  classifier(name: string, inChannels: number, outChannels: number): Part;
  /** The stream of initial weights of a part; the same whatever other parts there are. */
  random(name: string): RandomStream;
}

/** Variables `conv.<i>.*`, counted as in a PyTorch Sequential of [`before` steps, (conv, norm, ReLU)...]. */
function sequential(units: readonly ConvUnit[], before = 0): Module {
  const children: Record<string, Module | undefined> = {};
  let i = before;
  for (const { conv: convolution, norm } of units) {
    children[`conv.${i++}`] = convolution;
    if (norm) children[`conv.${i++}`] = norm;
    i++;
  }
  return moduleOf(children);
}

/** The parts of a V-Net of this configuration. */
export function vnetParts(config: Required<VNetConfig>): Parts {
  const { spatialDims, normalization, convBias, seed } = config;
  const root = new RandomStream(seed);
  const random = (name: string) => root.fork(name);
  const bias = convBias || normalization === "none";
  const unit3 = (name: string, inChannels: number, outChannels: number): ConvUnit =>
    convUnit(
      conv({ spatialDims, inChannels, outChannels, kernelSize: 3, bias, random: random(name) }),
      outChannels,
      normalization,
      "relu",
    );
  return {
    random,
    block: (name, repeats, inChannels, outChannels) => {
      const units = Array.from({ length: repeats }, (_, i) =>
        unit3(`${name}.${i}`, i === 0 ? inChannels : outChannels, outChannels),
      );
      return {
        ...sequential(units),
        apply: (x, options) => tidy(() => units.reduce((y, unit) => unit.apply(y, options), x)),
      };
    },
    down: (name, inChannels) => {
      const outChannels = 2 * inChannels;
      const layer = conv({
        spatialDims,
        inChannels,
        outChannels,
        kernelSize: 2,
        strides: 2,
        padding: "valid",
        bias,
        random: random(name),
      });
      const unit = convUnit(layer, outChannels, normalization, "relu");
      return { ...sequential([unit]), apply: unit.apply };
    },
    up: (name, inChannels, kind) => {
      const outChannels = inChannels / 2;
      if (kind === "transposed") {
        const layer = transposedConv({ spatialDims, inChannels, outChannels, bias, random: random(name) });
        const unit = convUnit(layer, outChannels, normalization, "relu", true);
        return { ...sequential([unit]), apply: unit.apply };
      }
      const unit = unit3(name, inChannels, outChannels);
      const enlarge =
        kind === "trilinear" ? resize({ scale: 2, alignCorners: true }) : resize({ scale: 2, mode: "nearest" });
      return {
        ...sequential([unit], 1),
        apply: (x, options) => tidy(() => unit.apply(enlarge.apply(x), options)),
      };
    },
    classifier: (name, inChannels, outChannels) =>
      conv({ spatialDims, inChannels, outChannels, kernelSize: 1, random: random(name) }),
  };
}
