import { DataError } from "@semiseg/errors";
import { distanceTransform } from "@semiseg/metrics";

/** Options of {@link signedDistances} and `signedDistanceMap`. */
export interface SignedDistanceMapOptions {
  /** A mask without foreground: `one` gives +1 everywhere (far outside), `zero` 0 everywhere, as older code. Default `one`. */
  readonly emptyMask?: "one" | "zero";
  /** Scale both sides to [-1, 1]. Default true. */
  readonly normalize?: boolean;
}

const largest = (values: Float32Array): number => {
  let most = 0;
  for (let i = 0; i < values.length; i++) if (values[i]! > most) most = values[i]!;
  return most;
};

/**
 * `signedDistanceMap` of one binary mask as arrays; needs no tensor library, so it can run in a worker.
 *
 * @param mask - values 0 and 1, C order of `shape` (two or three sizes).
 * @throws DataError for other values.
 */
export function signedDistances(
  mask: ArrayLike<number>,
  shape: readonly number[],
  options: SignedDistanceMapOptions = {},
): Float32Array {
  const { emptyMask = "one", normalize = true } = options;
  const size = mask.length;
  const [inner, outer] = [new Uint8Array(size), new Uint8Array(size)];
  let foreground = 0;
  for (let i = 0; i < size; i++) {
    const v = mask[i]!;
    if (v !== 0 && v !== 1)
      throw new DataError(`signedDistances: mask must hold 0 and 1 only, received ${v} at index ${i}`);
    inner[i] = v;
    outer[i] = 1 - v;
    foreground += v;
  }
  if (foreground === 0) return new Float32Array(size).fill(emptyMask === "one" ? 1 : 0);
  if (foreground === size) return new Float32Array(size).fill(-1);
  const out = distanceTransform(outer, shape);
  const inside = distanceTransform(inner, shape);
  const [far, deep] = normalize ? [largest(out), largest(inside)] : [1, 1];
  // A voxel one step from the background has a face neighbour there: it lies on the inner boundary.
  for (let i = 0; i < size; i++) {
    const depth = inside[i]!;
    out[i] = inner[i] === 0 ? out[i]! / far : depth === 1 ? 0 : -depth / deep;
  }
  return out;
}
