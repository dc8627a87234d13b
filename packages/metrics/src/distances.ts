import { checkNumber, OptionError } from "@semiseg/errors";
import {
  checkedPair,
  type Dialect,
  type DistanceOptions,
  distanceOptions,
  emptyDistance,
  type MaskPair,
} from "./metric-input.js";
import { sizeOf } from "./surface/box.js";
import { classExtents } from "./surface/class-extents.js";
import { type SurfaceDistances, surfaceDistances } from "./surface-distances.js";
import { averageOf, hausdorffOf, surfaceDiceOf } from "./surface-measures.js";

/** Surface distances of a pair of masks, checked; null when one is empty. */
function measured(
  where: string,
  pair: MaskPair,
  dialect: Dialect,
): { readonly d: SurfaceDistances | null; readonly bothEmpty: boolean; readonly spacing: readonly number[] } {
  const checked = checkedPair(where, pair);
  const { truth, prediction, box } = classExtents(checked.yTrue, checked.yPred, sizeOf(checked.shape), 2)[1]!;
  const d = truth > 0 && prediction > 0 && box ? surfaceDistances(checked, 1, box, dialect) : null;
  return { d, bothEmpty: truth + prediction === 0, spacing: checked.spacing };
}

function distanceOf(
  where: string,
  args: MaskPair & DistanceOptions,
  f: (d: SurfaceDistances, dialect: Dialect) => number,
): number {
  const { dialect, empty } = distanceOptions(where, args);
  const { d, bothEmpty, spacing } = measured(where, args, dialect);
  return d ? f(d, dialect) : emptyDistance(empty, bothEmpty, args.shape, spacing);
}

/** Arguments of {@link hausdorffDistance}. */
export interface HausdorffArguments extends MaskPair, DistanceOptions {
  /** 0 to 100. Default 100, the maximum; 95 gives the field's HD95. */
  readonly percentile?: number;
}

/**
 * Hausdorff distance between the surfaces of two masks, or a percentile of the surface distances. `medpy` pools both
 * directions before the percentile; `monai` takes the larger of the two directions' percentiles; `deepmind` too, each
 * by area: the distance within which `percentile` per cent of that surface lies.
 *
 * @returns mm (voxels without `spacing`); see `empty` for masks without foreground.
 * @throws ShapeError, OptionError or DataError naming the argument.
 */
export function hausdorffDistance(args: HausdorffArguments): number {
  const { percentile = 100 } = args;
  checkNumber("hausdorffDistance", "percentile", percentile, { min: 0, max: 100 });
  return distanceOf("hausdorffDistance", args, (d, dialect) => hausdorffOf(d, percentile, dialect));
}

/** Arguments of {@link averageSurfaceDistance}. */
export interface AverageSurfaceDistanceArguments extends MaskPair, DistanceOptions {
  /**
   * Both directions instead of prediction to truth only. `medpy` and `monai` (default false) then pool the distances
   * (ASSD); `deepmind` (default true) takes the mean of the two directions' area-weighted means.
   */
  readonly symmetric?: boolean;
}

/**
 * Average distance from the prediction's surface to the truth's, or over both directions with `symmetric`.
 *
 * @returns mm (voxels without `spacing`); see `empty` for masks without foreground.
 * @throws ShapeError, OptionError or DataError naming the argument.
 */
export function averageSurfaceDistance(args: AverageSurfaceDistanceArguments): number {
  const { symmetric } = args;
  if (symmetric !== undefined && typeof symmetric !== "boolean")
    throw new OptionError(`averageSurfaceDistance: symmetric must be true or false, received ${String(symmetric)}`);
  return distanceOf("averageSurfaceDistance", args, (d, dialect) => averageOf(d, symmetric ?? dialect === "deepmind"));
}

/** Arguments of {@link normalizedSurfaceDice}. */
export interface NormalizedSurfaceDiceArguments extends MaskPair, DistanceOptions {
  /** In mm (voxels without `spacing`). */
  readonly tolerance: number;
}

/**
 * Share of both surfaces that lies within `tolerance` of the other (NSD, surface Dice): of surface voxels in the
 * dialects `monai` and `medpy` (which has no NSD of its own), of area in `deepmind`. An overlap measure: 1 when both
 * masks are empty, 0 when one is.
 *
 * @throws ShapeError, OptionError or DataError naming the argument.
 * @see Nikolov et al., "Clinically applicable segmentation of head and neck anatomy", JMIR 2021.
 */
export function normalizedSurfaceDice(args: NormalizedSurfaceDiceArguments): number {
  const { tolerance } = args;
  const { dialect } = distanceOptions("normalizedSurfaceDice", args);
  checkNumber("normalizedSurfaceDice", "tolerance", tolerance, { min: 0 });
  const { d, bothEmpty } = measured("normalizedSurfaceDice", args, dialect);
  return d ? surfaceDiceOf(d, tolerance) : bothEmpty ? 1 : 0;
}
