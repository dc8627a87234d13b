import type { RandomSource } from "@semiseg/random";
import type { AugmentOptions } from "../types.js";
import type { WarpRecord } from "./patch-record.js";

/** Voxels between control points of the elastic deformation. */
export const DEFAULT_ELASTIC_SPACING = 16;

/**
 * Decides rotation, scaling and elastic deformation; null for none. Angles and factors hold in millimetres, so that
 * organs keep their shape on anisotropic grids.
 *
 * @param spacing - mm per spatial axis of the prepared grid.
 */
export function drawWarp(options: AugmentOptions, spacing: readonly number[], random: RandomSource): WarpRecord | null {
  const { rotation, scaling, elastic } = options;
  const rank = spacing.length;
  const used = (name: "rotation" | "scaling" | "elastic", source: RandomSource) =>
    source.next() < (options[`${name}Probability`] ?? 0.5);
  const between = ([low, high]: readonly [number, number], source: RandomSource) => low + (high - low) * source.next();

  const [turning, zooming, bending] = [random.fork("rotation"), random.fork("scaling"), random.fork("elastic")];
  const turns = rotation && used("rotation", turning);
  const zooms = scaling && used("scaling", zooming);
  const bends = elastic && used("elastic", bending);
  if (!turns && !zooms && !bends) return null;
  let matrix = identity(rank);
  if (turns)
    for (const axis of rank === 3 ? (options.rotationAxes ?? [0, 1, 2]) : [2])
      matrix = multiply(matrix, rotationAbout(axis, between(rotation, turning), rank), rank);
  // A factor above 1 enlarges: the patch looks up a smaller part of the volume.
  const factor = zooms ? Math.exp(between([Math.log(scaling[0]), Math.log(scaling[1])], zooming)) : 1;
  matrix = matrix.map((m, i) => (m * spacing[i % rank]!) / (spacing[Math.floor(i / rank)]! * factor));
  if (!bends) return { matrix };
  return {
    matrix,
    elastic: {
      deviation: between(elastic, bending),
      spacing: options.elasticSpacing ?? DEFAULT_ELASTIC_SPACING,
      seed: bending.bits(),
    },
  };
}

const identity = (rank: number): number[] =>
  Array.from({ length: rank * rank }, (_, i) => (i % (rank + 1) === 0 ? 1 : 0));

/**
 * Where to look for what is turned in the plane of the two axes other than `axis` (in 2-D the only plane), from the lower
 * towards the higher one, as `rot90Move`.
 */
function rotationAbout(axis: number, degrees: number, rank: number): number[] {
  const angle = (degrees * Math.PI) / 180;
  const [p, q] = rank === 2 ? [0, 1] : ([0, 1, 2].filter((a) => a !== axis) as [number, number]);
  const out = identity(rank);
  out[p * rank + p] = Math.cos(angle);
  out[q * rank + q] = Math.cos(angle);
  out[p * rank + q] = Math.sin(angle);
  out[q * rank + p] = -Math.sin(angle);
  return out;
}

function multiply(a: readonly number[], b: readonly number[], rank: number): number[] {
  return a.map((_, i) => {
    const [row, column] = [Math.floor(i / rank), i % rank];
    let sum = 0;
    for (let k = 0; k < rank; k++) sum += a[row * rank + k]! * b[k * rank + column]!;
    return sum;
  });
}
