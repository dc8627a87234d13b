/** Segmentation metrics with exact dialects, spacing and empty-mask policies; no tensor backend needed. @packageDocumentation */

export * from "./adaptive-calibration-error.js";
export * from "./boundary-iou.js";
export * from "./brier-score.js";
export {
  type ConnectedComponents,
  type ConnectedComponentsOptions,
  type Connectivity,
  connectedComponents,
} from "./components/connected-components.js";
export * from "./components/fill-holes.js";
export * from "./components/largest-component.js";
export { type DistanceTransformOptions, distanceTransform } from "./distance-transform.js";
export {
  type AverageSurfaceDistanceArguments,
  averageSurfaceDistance,
  type HausdorffArguments,
  hausdorffDistance,
  type NormalizedSurfaceDiceArguments,
  normalizedSurfaceDice,
} from "./distances.js";
export * from "./evaluate-case.js";
export * from "./expected-calibration-error.js";
export * from "./lesion-detection.js";
export type { Dialect, DistanceOptions, EmptyPolicy, Mask, MaskPair } from "./metric-input.js";
export { dice, jaccard, relativeVolumeDifference } from "./overlap.js";
export { precision } from "./precision.js";
export type { ProbabilityPair, UncertaintyArguments } from "./probability-input.js";
export { recall } from "./recall.js";
export * from "./risk-coverage.js";
export { specificity } from "./specificity.js";
export * from "./statistics/bootstrap-interval.js";
export * from "./statistics/holm-correction.js";
export * from "./statistics/summarize-values.js";
export * from "./statistics/wilcoxon-signed-rank.js";
export * from "./uncertainty-error-auroc.js";
export * from "./volume-error.js";
