import type { Tensor } from "@tensorflow/tfjs-core";
import type { ApplyOptions, Module } from "./module.js";

/** What a forward pass of a segmentation network gives. */
export interface NetworkOutput {
  /** `[N, ...S, C]`, before softmax, at the input's resolution. */
  readonly logits: Tensor;
  /** Intermediate tensors by stage name; `NetworkProvides` says which is which. */
  readonly features: Readonly<Record<string, Tensor>>;
  /** Outputs beside the logits: `distance` `[N,...S,C-1]` after tanh, `scale0`.. (coarse to fine logits), `decoder1`.. logits. */
  readonly heads: Readonly<Record<string, Tensor>>;
}

/** One named feature tensor. */
export interface FeatureSpec {
  readonly name: string;
  /** Input voxels per feature voxel along each axis. */
  readonly stride: number;
  readonly channels: number;
}

/** What terms can ask a network for; `composeMethod` checks it before the first step. */
export interface NetworkProvides {
  readonly spatialDims: 2 | 3;
  readonly inChannels: number;
  /** Number of output classes, background included. */
  readonly classes: number;
  readonly dropout: boolean;
  readonly normalization: "batch" | "instance" | "group" | "none";
  /** Spatial sizes must be multiples of this. */
  readonly divisor: number;
  /** Encoder stages, fine to coarse. */
  readonly encoder: readonly FeatureSpec[];
  /** Decoder stage outputs, coarse to fine. */
  readonly decoder: readonly FeatureSpec[];
  /** Attention-gated skips, coarse to fine; empty without gates. */
  readonly gated: readonly FeatureSpec[];
  /** Deep-supervision scales, coarse to fine: the feature and the head (`logits` for the finest) that belong together. */
  readonly scales: readonly { readonly feature: FeatureSpec; readonly head: string }[];
  /** Per-voxel embedding before the classifier, full resolution. */
  readonly embedding: FeatureSpec;
  /** Keys of `heads`. */
  readonly heads: readonly string[];
}

/** A segmentation network: V-Net, U-Net or a user's own. */
export interface Network extends Module {
  /** @param x - `[N, ...S, inChannels]`. */
  apply(x: Tensor, options?: ApplyOptions): NetworkOutput;
  readonly config: Readonly<Record<string, unknown>>;
  readonly provides: NetworkProvides;
  /** Same architecture and weights in variables of its own: how a teacher begins. */
  clone(): Network;
}
