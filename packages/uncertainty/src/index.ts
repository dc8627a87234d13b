/** Predictive uncertainty and confidence for semi-supervised segmentation. @packageDocumentation */
export * from "./clipped-noise.js";
export * from "./confidence-thresholds.js";
export * from "./entropy-threshold.js";
export * from "./kl-variance.js";
export * from "./monte-carlo-probabilities.js";
export * from "./predictive-entropy.js";
