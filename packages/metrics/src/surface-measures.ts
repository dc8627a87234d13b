import type { Dialect } from "./metric-input.js";
import { percentileOf, weightedPercentileOf } from "./surface/percentile.js";
import type { SurfaceDistances } from "./surface-distances.js";

/** Both directions one after the other. */
function pooled({ fromPrediction, fromTruth }: SurfaceDistances): Float64Array {
  const all = new Float64Array(fromPrediction.length + fromTruth.length);
  all.set(fromPrediction);
  all.set(fromTruth, fromPrediction.length);
  return all;
}

function sum(values: Float64Array): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i]!;
  return total;
}

function weightedMean(values: Float64Array, weights: Float64Array): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i]! * weights[i]!;
  return total / sum(weights);
}

/** A percentile of the surface distances: of both directions pooled (medpy), or the larger of the two (others). */
export function hausdorffOf(d: SurfaceDistances, percentile: number, dialect: Dialect): number {
  if (d.areas)
    return Math.max(
      weightedPercentileOf(d.fromPrediction, d.areas.prediction, percentile),
      weightedPercentileOf(d.fromTruth, d.areas.truth, percentile),
    );
  if (dialect === "medpy") return percentileOf(pooled(d), percentile);
  return Math.max(percentileOf(d.fromPrediction, percentile), percentileOf(d.fromTruth, percentile));
}

/**
 * Mean surface distance from prediction to truth, or `symmetric`: over both directions pooled, with areas the mean of
 * the two directions' means.
 */
export function averageOf(d: SurfaceDistances, symmetric: boolean): number {
  const { fromPrediction, fromTruth, areas } = d;
  if (areas) {
    const there = weightedMean(fromPrediction, areas.prediction);
    return symmetric ? (there + weightedMean(fromTruth, areas.truth)) / 2 : there;
  }
  if (!symmetric) return sum(fromPrediction) / fromPrediction.length;
  return (sum(fromPrediction) + sum(fromTruth)) / (fromPrediction.length + fromTruth.length);
}

/** Share of both surfaces, in points or in area, within `tolerance` of the other. */
export function surfaceDiceOf({ fromPrediction, fromTruth, areas }: SurfaceDistances, tolerance: number): number {
  let [within, all] = [0, 0];
  for (const [values, weights] of [
    [fromPrediction, areas?.prediction],
    [fromTruth, areas?.truth],
  ] as const)
    for (let i = 0; i < values.length; i++) {
      const weight = weights ? weights[i]! : 1;
      all += weight;
      if (values[i]! <= tolerance) within += weight;
    }
  return within / all;
}
