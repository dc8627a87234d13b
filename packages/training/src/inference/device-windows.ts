import { checkShape } from "@semiseg/errors";
import { add, concat, div, mul, pad, slice, type Tensor, tensor, tidy, zeros } from "@tensorflow/tfjs-core";
import type { WindowJob } from "./sliding-window-inference.js";

/** Sums windows as tensors: nothing is read back, at the cost of one volume-sized addition per window. */
export async function accumulateOnDevice(
  x: Tensor,
  job: WindowJob & { readonly onProgress?: ((done: number, total: number) => void) | undefined },
): Promise<Tensor> {
  const { grid, weights, batchSize, predictor, roiSize, onProgress } = job;
  const flat = x.shape.length === 4;
  const rank3 = (values: readonly number[]): number[] => (flat ? values.slice(1) : [...values]);
  const before = rank3(grid.starts.map((starts) => Math.max(0, -starts[0]!)));
  const space = x.shape.slice(1, -1);
  const padded = space.map((side, axis) => Math.max(side, roiSize[axis]!));
  const around = space.map((side, axis): [number, number] => [before[axis]!, padded[axis]! - side - before[axis]!]);
  const image = pad(x, [[0, 0], ...around, [0, 0]]);
  const importance = tensor(weights, [1, ...roiSize, 1]);
  const samples = x.shape[0]!;
  let sum: Tensor | null = null;
  let weight: Tensor = zeros([1, ...padded, 1]);
  try {
    for (let first = 0; first < grid.windows.length; first += batchSize) {
      const windows = grid.windows
        .slice(first, first + batchSize)
        .map((window) => rank3(window).map((start, axis) => start + before[axis]!));
      const patch = tidy(() =>
        concat(windows.map((start) => slice(image, [0, ...start, 0], [samples, ...roiSize, x.shape.at(-1)!]))),
      );
      const predicted = await predictor(patch);
      checkShape("slidingWindowInference", "the predictor's result", predicted, [
        windows.length * samples,
        ...roiSize,
        sum?.shape.at(-1) ?? null,
      ]);
      const classes = predicted.shape.at(-1)!;
      const previous: Tensor[] = sum === null ? [weight] : [sum, weight];
      [sum, weight] = tidy(() => {
        let total: Tensor = sum ?? zeros([samples, ...padded, classes]);
        let mass = weight;
        for (const [i, start] of windows.entries()) {
          const place = start.map((at, axis): [number, number] => [at, padded[axis]! - at - roiSize[axis]!]);
          const part = slice(predicted, [i * samples], [samples]);
          total = add(total, pad(mul(part, importance), [[0, 0], ...place, [0, 0]]));
          mass = add(mass, pad(importance, [[0, 0], ...place, [0, 0]]));
        }
        return [total, mass];
      }) as [Tensor, Tensor];
      for (const old of previous) old.dispose();
      if (predicted !== patch) predicted.dispose();
      patch.dispose();
      onProgress?.((first + windows.length) * samples, grid.windows.length * samples);
    }
    return tidy(() => slice(div(sum!, weight), [0, ...before, 0], [samples, ...space, sum!.shape.at(-1)!]));
  } finally {
    sum?.dispose();
    weight.dispose();
    importance.dispose();
    image.dispose();
  }
}
