import { checkChoice, checkRank, DataError } from "@semiseg/errors";
import { type Tensor, tensor } from "@tensorflow/tfjs-core";
import { type SignedDistanceMapOptions, signedDistances } from "./signed-distances.js";

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
