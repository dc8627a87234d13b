/** Region prototypes aligned across labelled, unlabelled and fused images (DuCiSC). @packageDocumentation */
export * from "./fuse-images.js";
export * from "./normalized-loss.js";
export * from "./prototype-alignment-loss.js";
export * from "./region-prototypes.js";
