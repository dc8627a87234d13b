/** Predictive uncertainty and confidence for semi-supervised segmentation. @packageDocumentation */
export * from "./entropy-threshold.js";
export * from "./monte-carlo-probabilities.js";
export * from "./predictive-entropy.js";
