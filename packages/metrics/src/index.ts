/** Segmentation metrics with exact dialects, spacing and empty-mask policies; no tensor backend needed. @packageDocumentation */

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
export type { Dialect, DistanceOptions, EmptyPolicy, Mask, MaskPair } from "./metric-input.js";
export { dice, jaccard, relativeVolumeDifference } from "./overlap.js";
export * from "./statistics/bootstrap-interval.js";
export * from "./statistics/holm-correction.js";
export * from "./statistics/summarize-values.js";
export * from "./statistics/wilcoxon-signed-rank.js";
