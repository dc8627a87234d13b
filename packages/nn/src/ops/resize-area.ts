import { clone, type Tensor } from "@tensorflow/tfjs-core";
import { resized, targetSize } from "./resize.js";
import type { PerAxis } from "./spatial.js";

/** Overlaps `[out, in]` of the samples of an axis with `out` equal cells of it, rows adding up to 1. */
export function areaWeights(out: number, input: number): Float32Array {
  const weights = new Float32Array(out * input);
  const width = input / out;
  for (let cell = 0; cell < out; cell++)
    for (let i = Math.floor(cell * width); i < Math.min(input, Math.ceil((cell + 1) * width)); i++)
      weights[cell * input + i] = (Math.min((cell + 1) * width, i + 1) - Math.max(cell * width, i)) / width;
  return weights;
}

/**
 * Means of `[N,...S,C]` (rank 4 or 5) over a grid of `size` equal cells, differentiable. Where a cell's border cuts a
 * voxel, it counts by its share; PyTorch's adaptive average pooling counts it in full.
 *
 * @throws ShapeError for a tensor of another rank; OptionError for a size that is not a positive integer per axis.
 */
export function resizeArea(x: Tensor, size: PerAxis): Tensor {
  const target = targetSize("resizeArea", x, size);
  if (target.every((n, i) => n === x.shape[i + 1])) return clone(x);
  return resized(x, target, "area", areaWeights);
}
