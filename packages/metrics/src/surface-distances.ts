import type { Dialect } from "./metric-input.js";
import { type Box, sizeOf, spacingOf } from "./surface/box.js";
import { distancesAt } from "./surface/squared-distances.js";
import { type Surface, surfaceElements, surfaceVoxels } from "./surface/surface.js";

/** Distances between two surfaces, one per surface point. */
export interface SurfaceDistances {
  /** From every surface point of the prediction to the nearest one of the truth. */
  readonly fromPrediction: Float64Array;
  readonly fromTruth: Float64Array;
  /** Areas in the same order; absent where each point counts the same. */
  readonly areas?: { readonly prediction: Float64Array; readonly truth: Float64Array };
}

/** Two label maps. */
export interface LabelPair {
  readonly yTrue: Uint8Array | Int32Array;
  readonly yPred: Uint8Array | Int32Array;
  /** Two or three sizes. */
  readonly shape: readonly number[];
  readonly spacing: readonly number[];
}

/**
 * Distances between the surfaces of one class: between surface voxels, or in the dialect `deepmind` between
 * area-weighted surface elements. The input is trusted, and both maps have the class.
 *
 * @param box - holds the class in both maps.
 */
export function surfaceDistances(pair: LabelPair, value: number, box: Box, dialect: Dialect): SurfaceDistances {
  const { yTrue, yPred, shape, spacing } = pair;
  const image = sizeOf(shape);
  const steps = spacingOf(spacing);
  const surface = (labels: Uint8Array | Int32Array): Surface =>
    dialect === "deepmind"
      ? surfaceElements(labels, value, image, box, spacing)
      : surfaceVoxels(labels, value, image, box, shape.length === 2);
  const [truth, prediction] = [surface(yTrue), surface(yPred)];
  const fromPrediction = distancesAt(truth.flags, truth.size, steps, prediction.points);
  const fromTruth = distancesAt(prediction.flags, prediction.size, steps, truth.points);
  if (!truth.areas || !prediction.areas) return { fromPrediction, fromTruth };
  return { fromPrediction, fromTruth, areas: { prediction: prediction.areas, truth: truth.areas } };
}
