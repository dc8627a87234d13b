/** Segmentation losses for dense prediction. @packageDocumentation */
export * from "./cross-entropy-loss.js";
export * from "./dice-cross-entropy-loss.js";
export * from "./dice-loss.js";
export * from "./onehot.js";
export * from "./segmentation-sums.js";
export * from "./soft-target-loss.js";
