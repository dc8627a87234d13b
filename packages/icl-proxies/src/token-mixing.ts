import { gelu, layerNorm, linear, type Module, moduleOf, resizeArea, resizeLinear } from "@semiseg/nn";
import { mul, reshape, type Tensor, transpose } from "@tensorflow/tfjs-core";
import type { ProxyScaleConfig } from "./proxy-modules-config.js";

/** A perceptron over the tokens of class maps; see {@link tokenMixing}. */
export interface TokenMixingBranch extends Module {
  /** `[B, ...s, channels]` -> same shape; the token axis is mixed, channels are not. `factor`: number or `[B, 1, 1]`. */
  apply(x: Tensor, factor: Tensor | number): Tensor;
}

/**
 * `MLP_N(LN_N(x))` of ICL's map branch: layer norm, linear, GELU, linear along the token axis, shared by classes and
 * heads. Under `full` over all N tokens; under `lowRank` over the cells of a grid, interpolated back, which is the same
 * thing where the grid is the map. Null for `none`.
 */
export function tokenMixing(config: ProxyScaleConfig): TokenMixingBranch | null {
  const { spatialDims, tokenMixing: kind, mixingGrid, size, random } = config;
  if (kind === "none") return null;
  const n = kind === "full" ? size!.reduce((a, b) => a * b, 1) : mixingGrid ** spatialDims;
  const norm = layerNorm({ channels: n });
  const first = linear({ inFeatures: n, outFeatures: n, random: random.fork("mixing 1") });
  const last = linear({ inFeatures: n, outFeatures: n, random: random.fork("mixing 2") });
  const mix = (x: Tensor, factor: Tensor | number): Tensor => {
    const [batch, channels] = [x.shape[0]!, x.shape.at(-1)!];
    const rows = reshape(transpose(reshape(x, [batch, n, channels]), [0, 2, 1]), [batch * channels, n]);
    const mixed = last.apply(gelu(first.apply(norm.apply(rows))));
    const scaled = mul(reshape(mixed, [batch, channels, n]), factor);
    return reshape(transpose(scaled, [0, 2, 1]), x.shape);
  };
  return {
    ...moduleOf({ norm, linear1: first, linear2: last }),
    // Interpolation is linear: the factor is cheapest on the grid.
    apply: (x, factor) =>
      kind === "full" ? mix(x, factor) : resizeLinear(mix(resizeArea(x, mixingGrid), factor), x.shape.slice(1, -1)),
  };
}
