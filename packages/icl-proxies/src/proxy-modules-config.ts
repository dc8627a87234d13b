import { checkChoice, checkNumber, OptionError, ShapeError } from "@semiseg/errors";
import type { RandomStream } from "@semiseg/nn";
import type { Tensor } from "@tensorflow/tfjs-core";
import { RECOMPUTE_ABOVE } from "./recomputed.js";
import { tokenMixingMemory } from "./token-mixing-memory.js";

/** How a class map's tokens see one another; see {@link ProxyModulesConfig.tokenMixing}. */
export type TokenMixing = "none" | "lowRank" | "full";

/** Options that both modules share; scales are in the order of the features they are given, coarse to fine. */
export interface ProxyModulesConfig {
  readonly spatialDims: 2 | 3;
  /** Classes K, background included. */
  readonly numClasses: number;
  /** Channels C of the feature of each scale. */
  readonly channels: readonly number[];
  /** Attention heads of each scale; each divides its channels. Default: heads of 16 channels, one for fewer. */
  readonly heads?: readonly number[];
  /**
   * - `lowRank` (default): scores are averaged over a grid of at most `mixingGrid` cells per axis, mixed there by the
   *   published two-layer perceptron and interpolated back. Works at every resolution.
   * - `full`: the published perceptron over all N tokens, N x N weights twice for each scale. Needs `sizes` and fits no
   *   other resolution.
   * - `none`: no mixing.
   */
  readonly tokenMixing?: TokenMixing;
  /** Cells per axis of the grid of `lowRank`. Default 8 in 2-D, 4 in 3-D: 64 cells. */
  readonly mixingGrid?: number;
  /** Spatial size of the feature of each scale; needed by `full` alone. */
  readonly sizes?: readonly (readonly number[])[];
  /**
   * Bytes that `full` may take for the perceptrons' weights, gradients and momentum in both modules together.
   * Default 1e9.
   */
  readonly memoryLimit?: number;
  /**
   * Features of at least so many bytes have their tokens and scores computed again in the backward pass, which takes time
   * in place of memory; smaller ones are kept. Default 8e6.
   */
  readonly recomputeAbove?: number;
  /** Probability that a sample skips a branch while training (stochastic depth). Default 0.02. */
  readonly stochasticDepth?: number;
  /**
   * Add the attended values to the queries, and leave scores as they are. Default false: as published, where both are
   * added to themselves.
   */
  readonly trueResidual?: boolean;
  /** Mix heads and classes up as the released code does, for its weights. Default false. */
  readonly compatScramble?: boolean;
  /** Where initial weights come from. */
  readonly random: RandomStream;
}

/** One scale of a module, options resolved. */
export interface ProxyScaleConfig {
  readonly spatialDims: 2 | 3;
  readonly numClasses: number;
  readonly channels: number;
  readonly heads: number;
  readonly tokenMixing: TokenMixing;
  readonly mixingGrid: number;
  /** Only under `full`. */
  readonly size: readonly number[] | undefined;
  readonly recomputeAbove: number;
  readonly stochasticDepth: number;
  readonly trueResidual: boolean;
  readonly compatScramble: boolean;
  readonly random: RandomStream;
}

const defaultHeads = (channels: number): number => {
  let heads = Math.max(1, Math.floor(channels / 16));
  while (channels % heads !== 0) heads--;
  return heads;
};

/** Checks the options of a module and gives those of its scales. */
export function proxyScales(where: string, config: ProxyModulesConfig): readonly ProxyScaleConfig[] {
  const { spatialDims, numClasses, channels, tokenMixing = "lowRank", sizes, memoryLimit = 1e9, random } = config;
  const {
    recomputeAbove = RECOMPUTE_ABOVE,
    stochasticDepth = 0.02,
    trueResidual = false,
    compatScramble = false,
  } = config;
  const mixingGrid = config.mixingGrid ?? (spatialDims === 2 ? 8 : 4);
  if (spatialDims !== 2 && spatialDims !== 3)
    throw new OptionError(`${where}: spatialDims must be 2 or 3, received ${String(spatialDims)}`);
  checkNumber(where, "numClasses", numClasses, { integer: true, min: 2 });
  checkChoice(where, "tokenMixing", tokenMixing, ["none", "lowRank", "full"]);
  checkNumber(where, "mixingGrid", mixingGrid, { integer: true, min: 1 });
  checkNumber(where, "memoryLimit", memoryLimit, { min: 0 });
  checkNumber(where, "recomputeAbove", recomputeAbove, { min: 0 });
  checkNumber(where, "stochasticDepth", stochasticDepth, { min: 0, below: 1 });
  if (channels.length === 0) throw new OptionError(`${where}: channels must name at least one scale, received none`);
  for (const [i, n] of channels.entries()) checkNumber(where, `channels[${i}]`, n, { integer: true, min: 1 });
  const heads = config.heads ?? channels.map(defaultHeads);
  if (heads.length !== channels.length)
    throw new OptionError(
      `${where}: heads must be one number for each of ${channels.length} scales, received ${heads.length}`,
    );
  for (const [i, h] of heads.entries()) {
    checkNumber(where, `heads[${i}]`, h, { integer: true, min: 1 });
    if (channels[i]! % h !== 0)
      throw new OptionError(
        `${where}: heads[${i}] must divide the ${channels[i]} channels of its scale, received ${h}`,
      );
  }
  if (tokenMixing === "full") checkFull(where, spatialDims, channels.length, sizes, memoryLimit);
  return channels.map((n, i) => ({
    spatialDims,
    numClasses,
    channels: n,
    heads: heads[i]!,
    tokenMixing,
    mixingGrid,
    size: tokenMixing === "full" ? sizes![i]! : undefined,
    recomputeAbove,
    stochasticDepth,
    trueResidual,
    compatScramble,
    random: random.fork(`scale ${i}`),
  }));
}

function checkFull(
  where: string,
  dims: number,
  scales: number,
  sizes: readonly (readonly number[])[] | undefined,
  limit: number,
): void {
  if (!sizes || sizes.length !== scales || sizes.some((size) => size.length !== dims))
    throw new OptionError(
      `${where}: tokenMixing 'full' needs sizes, ${scales} lists of ${dims} spatial sizes, since its weights belong to one resolution; received ${JSON.stringify(sizes)}`,
    );
  for (const size of sizes) for (const n of size) checkNumber(where, "sizes", n, { integer: true, min: 1 });
  const bytes = tokenMixingMemory(sizes);
  if (bytes > limit)
    throw new OptionError(
      `${where}: tokenMixing 'full' at ${sizes.map((size) => size.join("x")).join(", ")} takes ${gigabytes(bytes)} for the weights, gradients and momentum of its token perceptrons in both modules, memoryLimit is ${gigabytes(limit)}: use 'lowRank' (default) or 'none', or ask for it with memoryLimit: ${bytes}`,
    );
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;

/** Throws ShapeError unless `features` are one tensor `[B, ...S, C]` per scale, of one batch. */
export function checkFeatures(where: string, features: readonly Tensor[], scales: readonly ProxyScaleConfig[]): void {
  if (features.length !== scales.length)
    throw new ShapeError(
      `${where}: features must be ${scales.length} tensors, one per scale, received ${features.length}`,
    );
  for (const [i, { spatialDims, channels, size }] of scales.entries()) {
    const { shape } = features[i]!;
    if (shape.length !== spatialDims + 2 || shape.at(-1) !== channels || shape[0] !== features[0]!.shape[0])
      throw new ShapeError(
        `${where}: features[${i}] must have shape [${features[0]!.shape[0]}, ...${spatialDims} spatial axes, ${channels}], received [${shape.join(", ")}]`,
      );
    if (size && shape.slice(1, -1).join() !== size.join())
      throw new ShapeError(
        `${where}: features[${i}] must be ${size.join("x")}, the resolution that tokenMixing 'full' was built for, received ${shape.slice(1, -1).join("x")}: use the patch size of training, or tokenMixing 'lowRank' or 'none'`,
      );
  }
}
