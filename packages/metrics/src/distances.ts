import { checkNumber } from "@semiseg/errors";
import {
  checkPair,
  type Dialect,
  type DistanceOptions,
  distanceOptions,
  emptyDistance,
  type MaskPair,
} from "./metric-input.js";
import { percentileOf, pooled, type SurfaceDistances, surfaceDistances } from "./surface-distances.js";

const mean = (values: Float64Array): number => values.reduce((a, b) => a + b, 0) / values.length;

/** Hausdorff distance from surface distances. */
export function hausdorffOf(d: SurfaceDistances, percentile: number, dialect: Dialect): number {
  // medpy pools both directions before the percentile, MONAI takes it per direction and then the larger one.
  if (dialect === "medpy") return percentileOf(pooled(d), percentile);
  return Math.max(percentileOf(d.fromPrediction, percentile), percentileOf(d.fromTruth, percentile));
}

/** Average surface distance from surface distances. */
export const averageOf = (d: SurfaceDistances, symmetric: boolean): number =>
  mean(symmetric ? pooled(d) : d.fromPrediction);

/** Share of both surfaces within `tolerance` of the other. */
export function surfaceDiceOf({ fromPrediction, fromTruth }: SurfaceDistances, tolerance: number): number {
  const within = (values: Float64Array): number => values.reduce((n, v) => n + (v <= tolerance ? 1 : 0), 0);
  return (within(fromPrediction) + within(fromTruth)) / (fromPrediction.length + fromTruth.length);
}

function measured(
  where: string,
  pair: MaskPair & DistanceOptions,
  f: (d: SurfaceDistances, dialect: Dialect) => number,
): number {
  const spacing = checkPair(where, pair);
  const { dialect, empty } = distanceOptions(where, pair);
  const d = surfaceDistances(pair.yTrue, pair.yPred, pair.shape, spacing);
  if (d) return f(d, dialect);
  const has = (mask: ArrayLike<number>): boolean => Array.prototype.includes.call(mask, 1);
  return emptyDistance(empty, !has(pair.yTrue) && !has(pair.yPred), pair.shape, spacing);
}

/** Arguments of {@link hausdorffDistance}. */
export interface HausdorffArguments extends MaskPair, DistanceOptions {
  /** 0 to 100. Default 100, the maximum; 95 gives the field's HD95. */
  readonly percentile?: number;
}

/**
 * Hausdorff distance between the surfaces of two masks (surface: foreground voxels with a face neighbour outside), or a
 * percentile of it. `medpy` pools both directions, `monai` takes the larger of the two percentiles.
 *
 * @returns mm (voxels without `spacing`); see `empty` for masks without foreground.
 */
export function hausdorffDistance(args: HausdorffArguments): number {
  const { percentile = 100 } = args;
  checkNumber("hausdorffDistance", "percentile", percentile, { min: 0, max: 100 });
  return measured("hausdorffDistance", args, (d, dialect) => hausdorffOf(d, percentile, dialect));
}

/** Arguments of {@link averageSurfaceDistance}. */
export interface AverageSurfaceDistanceArguments extends MaskPair, DistanceOptions {
  /** Both directions pooled (ASSD) instead of prediction to truth (ASD). Default false. */
  readonly symmetric?: boolean;
}

/** Average distance from the prediction's surface to the truth's, or over both directions with `symmetric`. In mm. */
export function averageSurfaceDistance(args: AverageSurfaceDistanceArguments): number {
  return measured("averageSurfaceDistance", args, (d) => averageOf(d, args.symmetric ?? false));
}

/** Arguments of {@link normalizedSurfaceDice}. */
export interface NormalizedSurfaceDiceArguments extends MaskPair, DistanceOptions {
  /** In mm. */
  readonly tolerance: number;
}

/**
 * Share of surface voxels of both masks that lie within `tolerance` of the other surface (NSD; MONAI's voxel count).
 * An overlap measure: 1 when both masks are empty, 0 when one is.
 */
export function normalizedSurfaceDice(args: NormalizedSurfaceDiceArguments): number {
  const { tolerance } = args;
  const spacing = checkPair("normalizedSurfaceDice", args);
  distanceOptions("normalizedSurfaceDice", args);
  checkNumber("normalizedSurfaceDice", "tolerance", tolerance, { min: 0 });
  const d = surfaceDistances(args.yTrue, args.yPred, args.shape, spacing);
  if (d) return surfaceDiceOf(d, tolerance);
  const has = (mask: ArrayLike<number>): boolean => Array.prototype.includes.call(mask, 1);
  return has(args.yTrue) || has(args.yPred) ? 0 : 1;
}
