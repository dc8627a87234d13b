import { gelu, layerNorm, linear, type Module, moduleOf, resizeLinear } from "@semiseg/nn";
import { matMul, reshape, type Tensor, type Tensor3D, tensor, transpose } from "@tensorflow/tfjs-core";
import type { ProxyScaleConfig } from "./proxy-modules-config.js";

/** A perceptron over the tokens of class maps; see {@link tokenMixing}. */
export interface TokenMixingBranch extends Module {
  /** `[B, ...s, channels]` -> same shape; the token axis is mixed, channels are not. */
  apply(x: Tensor): Tensor;
}

/** Overlaps `[cells, n]` of n tokens with `cells` equal cells of an axis, rows adding up to 1. */
function cellWeights(cells: number, n: number): Float32Array {
  const weights = new Float32Array(cells * n);
  const width = n / cells;
  for (let c = 0; c < cells; c++)
    for (let i = Math.floor(c * width); i < Math.min(n, Math.ceil((c + 1) * width)); i++)
      weights[c * n + i] = (Math.min((c + 1) * width, i + 1) - Math.max(c * width, i)) / width;
  return weights;
}

/** Means of `x` `[B, ...s, channels]` over a grid of `cells` per axis. */
function cellMeans(x: Tensor, cells: number): Tensor {
  let y = x;
  // Inner axes first: the tensor is smallest for the outer ones, whose rows are long.
  for (let axis = x.rank - 2; axis >= 1; axis--) {
    const n = y.shape[axis]!;
    if (n === cells) continue;
    const before = y.shape.slice(0, axis).reduce((a, b) => a * b, 1);
    const after = y.shape.slice(axis + 1).reduce((a, b) => a * b, 1);
    const weights = tensor(cellWeights(cells, n), [1, cells, n]) as Tensor3D;
    const shape = y.shape.map((size, i) => (i === axis ? cells : size));
    y = reshape(matMul(weights, reshape(y, [before, n, after]) as Tensor3D), shape);
  }
  return y;
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
  const mix = (x: Tensor): Tensor => {
    const [batch, channels] = [x.shape[0]!, x.shape.at(-1)!];
    const rows = reshape(transpose(reshape(x, [batch, n, channels]), [0, 2, 1]), [batch * channels, n]);
    const mixed = last.apply(gelu(first.apply(norm.apply(rows))));
    return reshape(transpose(reshape(mixed, [batch, channels, n]), [0, 2, 1]), x.shape);
  };
  return {
    ...moduleOf({ norm, linear1: first, linear2: last }),
    apply: (x) => (kind === "full" ? mix(x) : resizeLinear(mix(cellMeans(x, mixingGrid)), x.shape.slice(1, -1))),
  };
}
