/** Region prototypes aligned across labelled, unlabelled and fused images (DuCiSC). @packageDocumentation */
export { type CertainPseudoLabelArguments, certainPseudoLabelLoss } from "./certain-pseudo-label-loss.js";
export * from "./certain-pseudo-label-term.js";
export * from "./deep-supervised-term.js";
export * from "./fuse-images.js";
export type { FusionOptions } from "./fused-batch.js";
export * from "./fused-image-loss.js";
export * from "./fused-image-term.js";
export { multiScalePrototypeLoss } from "./mean-over-scales.js";
export * from "./mix-prototype-term.js";
export * from "./normalized-loss.js";
export * from "./prototype-alignment-loss.js";
export * from "./prototype-alignment-term.js";
export * from "./region-prototypes.js";
export * from "./self-aware-confidence.js";
export * from "./soft-target-divergence.js";
export type { PrototypeTermOptions } from "./term-options.js";
export type { WarmUpOptions } from "./warm-up.js";
