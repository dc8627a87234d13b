import { checkChoice, checkNumber, OptionError } from "@semiseg/errors";
import type { Hook } from "../backbone.js";
import type { Normalization } from "../conv-unit.js";

/** Options of `unet`. */
export interface UNetConfig {
  /** Decides the architecture, see `unet`. Default 3. */
  readonly spatialDims?: 2 | 3;
  /** Default 1. */
  readonly inChannels?: number;
  /** Classes, background included. Default 2. */
  readonly outChannels?: number;
  /** Channels of the finest stage; doubles at each of four halvings. Default 16. */
  readonly baseFilters?: number;
  /** Default `batch` in 2-D, `instance` in 3-D. */
  readonly normalization?: Normalization;
  /**
   * Elementwise dropout. 2-D: rate inside each of the five encoder stages, fine to coarse; default
   * [0.05, 0.1, 0.2, 0.3, 0.5]. 3-D: rate after the bottleneck and before the classifier; default 0.3. 0 turns it off.
   */
  readonly dropout?: number | readonly number[];
  /** Seed of the initial weights. Default 0. */
  readonly seed?: number;
  /** Further outputs: `distance` = tanh of a convolution like the classifier's to outChannels - 1. Default none. */
  readonly heads?: readonly "distance"[];
  /** 1^d classifiers on d1, d2, d3: heads `scale0`, `scale1`, `scale2`. Default false. */
  readonly deepSupervision?: boolean;
  /** Attention gates on the skips, decided by what rises from below. Default false. */
  readonly attentionGates?: boolean;
  /** Layers applied to the output of an encoder stage (`e1`..`e5`) before anything reads it. */
  readonly hooks?: Readonly<Record<string, Hook>>;
}

/** `UNetConfig` with every default; `dropout` per place. */
export interface ResolvedUNetConfig extends Required<UNetConfig> {
  readonly dropout: readonly number[];
}

/** `config` with defaults, checked. */
export function resolveUNetConfig(config: UNetConfig): ResolvedUNetConfig {
  const given = Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined)) as UNetConfig;
  const flat = given.spatialDims === 2;
  const places = flat ? 5 : 1;
  const rates = given.dropout ?? (flat ? [0.05, 0.1, 0.2, 0.3, 0.5] : 0.3);
  const resolved: ResolvedUNetConfig = {
    spatialDims: 3,
    inChannels: 1,
    outChannels: 2,
    baseFilters: 16,
    normalization: flat ? "batch" : "instance",
    seed: 0,
    heads: [],
    deepSupervision: false,
    attentionGates: false,
    hooks: {},
    ...given,
    dropout: typeof rates === "number" ? Array<number>(places).fill(rates) : rates,
  };
  const { spatialDims, inChannels, outChannels, baseFilters, normalization, dropout, seed, heads, hooks } = resolved;
  if (spatialDims !== 2 && spatialDims !== 3)
    throw new OptionError(`unet: spatialDims must be 2 or 3, received ${String(spatialDims)}`);
  checkNumber("unet", "inChannels", inChannels, { integer: true, min: 1 });
  checkNumber("unet", "outChannels", outChannels, { integer: true, min: 2 });
  checkNumber("unet", "baseFilters", baseFilters, { integer: true, min: 1 });
  checkNumber("unet", "seed", seed, { integer: true });
  checkChoice("unet", "normalization", normalization, ["batch", "instance", "group", "none"]);
  for (const rate of dropout) checkNumber("unet", "dropout", rate, { min: 0, below: 1 });
  if (dropout.length !== places)
    throw new OptionError(
      `unet: dropout must be one rate${flat ? " or five, one for each encoder stage" : ""}, received ${dropout.length}`,
    );
  for (const head of heads) checkChoice("unet", "heads", head, ["distance"]);
  for (const stage of Object.keys(hooks)) checkChoice("unet", "hooks", stage, ["e1", "e2", "e3", "e4", "e5"]);
  return resolved;
}
