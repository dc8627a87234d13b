import { add, dispose, div, reverse, type Tensor } from "@tensorflow/tfjs-core";
import type { Predictor } from "./sliding-window-inference.js";

/**
 * Mirror test-time augmentation: the mean prediction over every combination of flips of the given spatial axes
 * (0 = first axis after the batch), each flipped back.
 */
export function mirrored(predictor: Predictor, axes: readonly number[]): Predictor {
  if (axes.length === 0) return predictor;
  const flips = Array.from({ length: 2 ** axes.length }, (_, bits) =>
    axes.filter((_, i) => (bits >> i) & 1).map((axis) => axis + 1),
  );
  return async (patch) => {
    let sum: Tensor | null = null;
    for (const flip of flips) {
      const view = flip.length > 0 ? reverse(patch, flip) : patch;
      const predicted = await predictor(view);
      const back = flip.length > 0 ? reverse(predicted, flip) : predicted;
      if (view !== patch) view.dispose();
      if (back !== predicted) predicted.dispose();
      const total: Tensor = sum === null ? back : add(sum, back);
      if (sum !== null) dispose([sum, back]);
      sum = total;
    }
    const mean = div(sum!, flips.length);
    sum!.dispose();
    return mean;
  };
}
