import { checkChoice, checkRank, DataError } from "@semiseg/errors";
import { distanceTransform } from "@semiseg/metrics";
import { type Tensor, tensor } from "@tensorflow/tfjs-core";

/** Options of {@link signedDistanceMap}. */
export interface SignedDistanceMapOptions {
  /** A mask without foreground: `one` gives +1 everywhere (far outside), `zero` 0 everywhere, as older code. Default `one`. */
  readonly emptyMask?: "one" | "zero";
  /** Scale both sides to [-1, 1]. Default true. */
  readonly normalize?: boolean;
}

/** {@link signedDistanceMap} of one binary mask as arrays; needs no tensor library. */
export function signedDistances(
  mask: ArrayLike<number>,
  shape: readonly number[],
  options: SignedDistanceMapOptions = {},
): Float32Array {
  const { emptyMask = "one", normalize = true } = options;
  const size = mask.length;
  const out = new Float32Array(size);
  let foreground = 0;
  for (let i = 0; i < size; i++) foreground += mask[i]!;
  if (foreground === 0) return out.fill(emptyMask === "one" ? 1 : 0);
  if (foreground === size) return out.fill(-1);
  const inverse = Uint8Array.from(mask, (v) => 1 - v);
  const outside = distanceTransform(inverse, shape);
  const inside = distanceTransform(Uint8Array.from(mask), shape);
  const largest = (values: Float32Array): number => (normalize ? values.reduce((a, b) => Math.max(a, b), 0) : 1);
  const [far, deep] = [largest(outside), largest(inside)];
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  for (let i = 0; i < size; i++) {
    if (mask[i] === 0) {
      out[i] = outside[i]! / far;
      continue;
    }
    // Foreground with a face neighbour in the background lies on the boundary; image borders are none.
    const boundary = strides.some((stride, axis) => {
      const at = Math.floor(i / stride) % shape[axis]!;
      return (at > 0 && mask[i - stride] === 0) || (at < shape[axis]! - 1 && mask[i + stride] === 0);
    });
    out[i] = boundary ? 0 : -inside[i]! / deep;
  }
  return out;
}

/**
 * Signed distance of every voxel to the boundary of a mask, unit spacing: positive outside, negative inside, 0 on the
 * inner boundary, each side scaled to 1 by its own largest value. Foreground is exactly where the map is <= 0.
 *
 * @param mask - `[N, ...S]`, values 0 and 1.
 * @returns float32 `[N, ...S]`, constant for the gradient. Empty masks give +1 (or 0), full ones -1.
 * @throws ShapeError or DataError for another rank or values.
 * @see Luo et al., "Semi-supervised medical image segmentation through dual-task consistency" (DTC), AAAI 2021, equation 2.
 */
export function signedDistanceMap(mask: Tensor, options: SignedDistanceMapOptions = {}): Tensor {
  checkRank("signedDistanceMap", "mask", mask, [3, 4]);
  checkChoice("signedDistanceMap", "emptyMask", options.emptyMask ?? "one", ["one", "zero"]);
  const values = mask.dataSync();
  const shape = mask.shape.slice(1);
  const size = shape.reduce((a, b) => a * b, 1);
  for (let i = 0; i < values.length; i++)
    if (values[i] !== 0 && values[i] !== 1)
      throw new DataError(`signedDistanceMap: mask must hold 0 and 1 only, received ${values[i]} at index ${i}`);
  const out = new Float32Array(values.length);
  for (let n = 0; n < mask.shape[0]!; n++)
    out.set(signedDistances(values.subarray(n * size, (n + 1) * size), shape, options), n * size);
  return tensor(out, mask.shape);
}
