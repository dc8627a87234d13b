/** V-Net and U-Nets for 2-D and 3-D segmentation, with features, heads and PyTorch weights. @packageDocumentation */
export * from "./attention-gate.js";
export type { Backbone, Hook } from "./backbone.js";
export type { Normalization } from "./conv-unit.js";
export { type UNet, unet } from "./unet/unet.js";
export type { ResolvedUNetConfig, UNetConfig } from "./unet/unet-config.js";
export { type VNet, vnet } from "./vnet/vnet.js";
export type { VNetConfig, VNetDecoderKind } from "./vnet/vnet-config.js";
