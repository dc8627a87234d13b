import { checkChoice, checkNumber, OptionError } from "@semiseg/errors";
import type { Hook } from "../backbone.js";
import type { Normalization } from "../conv-unit.js";

/** How a V-Net decoder doubles its sizes: a transposed convolution, or interpolation and a 3^d convolution. */
export type VNetDecoderKind = "transposed" | "trilinear" | "nearest";

/** Options of `vnet`. */
export interface VNetConfig {
  /** Default 3. */
  readonly spatialDims?: 2 | 3;
  /** Default 1. */
  readonly inChannels?: number;
  /** Classes, background included. Default 2. */
  readonly outChannels?: number;
  /** Channels of the finest stage; doubles at each of four halvings. Default 16. */
  readonly baseFilters?: number;
  /** Default `batch`. `group` shares statistics in groups of channels / gcd(16, channels). */
  readonly normalization?: Normalization;
  /** Rate of the channel dropout after x5 and x9. Default 0.5; 0 turns it off. */
  readonly dropout?: number;
  /** Seed of the initial weights. Default 0. */
  readonly seed?: number;
  /** Biases in the convolutions before a norm, as in PyTorch's public V-Nets. They cost next to nothing. Default true. */
  readonly convBias?: boolean;
  /** Further outputs: `distance` = tanh of a 1^d convolution to outChannels - 1. Default none. */
  readonly heads?: readonly "distance"[];
  /** 1^d classifiers on u5, u6, u7: heads `scale0`, `scale1`, `scale2`. Default false. */
  readonly deepSupervision?: boolean;
  /** The first gives `logits` and the features, the others heads `decoder1`, ... Default `['transposed']`. */
  readonly decoders?: readonly VNetDecoderKind[];
  /** Attention gates on the skips (TAC). Default false. */
  readonly attentionGates?: boolean;
  /** Layers applied to the output of an encoder stage (`x1`..`x5`) before anything reads it. */
  readonly hooks?: Readonly<Record<string, Hook>>;
}

/** `config` with defaults, checked. */
export function resolveVNetConfig(config: VNetConfig): Required<VNetConfig> {
  const resolved: Required<VNetConfig> = {
    spatialDims: 3,
    inChannels: 1,
    outChannels: 2,
    baseFilters: 16,
    normalization: "batch",
    dropout: 0.5,
    seed: 0,
    convBias: true,
    heads: [],
    deepSupervision: false,
    decoders: ["transposed"],
    attentionGates: false,
    hooks: {},
    ...Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined)),
  };
  const { spatialDims, inChannels, outChannels, baseFilters, normalization, dropout, seed, heads, decoders, hooks } =
    resolved;
  if (spatialDims !== 2 && spatialDims !== 3)
    throw new OptionError(`vnet: spatialDims must be 2 or 3, received ${String(spatialDims)}`);
  checkNumber("vnet", "inChannels", inChannels, { integer: true, min: 1 });
  checkNumber("vnet", "outChannels", outChannels, { integer: true, min: 2 });
  checkNumber("vnet", "baseFilters", baseFilters, { integer: true, min: 1 });
  checkNumber("vnet", "dropout", dropout, { min: 0, below: 1 });
  checkNumber("vnet", "seed", seed, { integer: true });
  checkChoice("vnet", "normalization", normalization, ["batch", "instance", "group", "none"]);
  for (const head of heads) checkChoice("vnet", "heads", head, ["distance"]);
  if (decoders.length === 0) throw new OptionError("vnet: decoders must name at least one decoder");
  for (const kind of decoders) checkChoice("vnet", "decoders", kind, ["transposed", "trilinear", "nearest"]);
  for (const stage of Object.keys(hooks)) checkChoice("vnet", "hooks", stage, ["x1", "x2", "x3", "x4", "x5"]);
  return resolved;
}
