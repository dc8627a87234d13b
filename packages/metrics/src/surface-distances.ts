import { squaredDistances } from "./distance-transform.js";
import type { Mask } from "./metric-input.js";

/** Distances between two surfaces, one per surface voxel. */
export interface SurfaceDistances {
  /** From every surface voxel of the prediction to the nearest one of the truth. */
  readonly fromPrediction: Float64Array;
  readonly fromTruth: Float64Array;
}

interface Box {
  readonly low: number[];
  readonly shape: number[];
}

/** The smallest box that holds both masks, or null when both are empty. */
function boundingBox(a: Mask, b: Mask, shape: readonly number[]): Box | null {
  const [d, h, w] = shape.length === 3 ? (shape as [number, number, number]) : [1, shape[0]!, shape[1]!];
  const low = [d, h, w];
  const high = [-1, -1, -1];
  for (let z = 0, i = 0; z < d; z++)
    for (let y = 0; y < h; y++)
      for (let x = 0; x < w; x++, i++)
        if (a[i] === 1 || b[i] === 1) {
          if (z < low[0]!) low[0] = z;
          if (z > high[0]!) high[0] = z;
          if (y < low[1]!) low[1] = y;
          if (y > high[1]!) high[1] = y;
          if (x < low[2]!) low[2] = x;
          if (x > high[2]!) high[2] = x;
        }
  return high[0]! < 0 ? null : { low, shape: high.map((n, axis) => n - low[axis]! + 1) };
}

/**
 * Indices (inside the box) of surface voxels: foreground with a face neighbour that is background or outside the image,
 * the mask minus its face-connected erosion. Outside the box there is no foreground, so its border is one.
 */
function surface(
  mask: Mask,
  shape: readonly number[],
  { low, shape: box }: Box,
): { flags: Uint8Array; indices: Int32Array } {
  const [, h, w] = shape.length === 3 ? (shape as [number, number, number]) : [1, shape[0]!, shape[1]!];
  const [bd, bh, bw] = box as [number, number, number];
  const inside = new Uint8Array(bd * bh * bw);
  for (let z = 0, k = 0; z < bd; z++)
    for (let y = 0; y < bh; y++) {
      let i = ((z + low[0]!) * h + y + low[1]!) * w + low[2]!;
      for (let x = 0; x < bw; x++) inside[k++] = mask[i++]!;
    }
  const flags = new Uint8Array(inside.length);
  const found: number[] = [];
  const flat = shape.length === 2;
  for (let z = 0, k = 0; z < bd; z++)
    for (let y = 0; y < bh; y++)
      for (let x = 0; x < bw; x++, k++) {
        if (!inside[k]) continue;
        const interior =
          x > 0 &&
          x < bw - 1 &&
          inside[k - 1] &&
          inside[k + 1] &&
          y > 0 &&
          y < bh - 1 &&
          inside[k - bw] &&
          inside[k + bw] &&
          (flat || (z > 0 && z < bd - 1 && inside[k - bh * bw] && inside[k + bh * bw]));
        if (interior) continue;
        flags[k] = 1;
        found.push(k);
      }
  return { flags, indices: Int32Array.from(found) };
}

/** Distances between the surfaces of two masks, or null when one of them is empty. The masks are trusted. */
export function surfaceDistances(
  yTrue: Mask,
  yPred: Mask,
  shape: readonly number[],
  spacing: readonly number[],
): SurfaceDistances | null {
  const box = boundingBox(yTrue, yPred, shape);
  if (!box) return null;
  const truth = surface(yTrue, shape, box);
  const prediction = surface(yPred, shape, box);
  if (truth.indices.length === 0 || prediction.indices.length === 0) return null;
  const steps = spacing.length === 3 ? spacing : [1, ...spacing];
  const sample = (to: Uint8Array, at: Int32Array): Float64Array => {
    const squared = squaredDistances((i) => to[i] === 1, box.shape, steps);
    return Float64Array.from(at, (i) => Math.sqrt(squared[i]!));
  };
  return {
    fromPrediction: sample(truth.flags, prediction.indices),
    fromTruth: sample(prediction.flags, truth.indices),
  };
}

/** The percentile of a list by linear interpolation between order statistics (numpy's default). */
export function percentileOf(values: Float64Array, percentile: number): number {
  const sorted = Float64Array.from(values).sort();
  const rank = ((sorted.length - 1) * percentile) / 100;
  const low = Math.floor(rank);
  const a = sorted[low]!;
  const b = sorted[Math.min(sorted.length - 1, low + 1)]!;
  return a + (b - a) * (rank - low);
}

/** Both lists one after the other. */
export function pooled({ fromPrediction, fromTruth }: SurfaceDistances): Float64Array {
  const all = new Float64Array(fromPrediction.length + fromTruth.length);
  all.set(fromPrediction);
  all.set(fromTruth, fromPrediction.length);
  return all;
}
