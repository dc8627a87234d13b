import { checkChoice, checkNumber, checkRank, checkShape, OptionError, ShapeError } from "@semiseg/errors";
import { type Tensor, Tensor as TensorClass, tensor } from "@tensorflow/tfjs-core";
import { accumulateOnDevice } from "./device-windows.js";
import type { HostArray } from "./host-array.js";
import { addWindow, divideByWeights, readWindow } from "./host-windows.js";
import { importanceMap } from "./importance-map.js";
import { mirrored } from "./mirrored.js";
import { type WindowGrid, windowGrid } from "./window-grid.js";

/** `[n, ...roi, channels]` -> `[n, ...roi, C]`, usually probabilities. The result is disposed by the caller of it. */
export type Predictor = (patch: Tensor) => Tensor | Promise<Tensor>;

/** Options of {@link slidingWindowInference}. Spatial lists are in tensor axis order. */
export interface SlidingWindowOptions {
  /** Window size `[...S]`. A smaller image is padded with zeros symmetrically; the result is cropped back. */
  readonly roiSize: readonly number[];
  readonly predictor: Predictor;
  /** Fraction in [0, 1) by which neighbours overlap, per axis or for all. Default 0.25, as in MONAI. */
  readonly overlap?: number | readonly number[];
  /** Distance between windows in voxels, in place of `overlap`. */
  readonly strides?: readonly number[];
  /** Weight of a window's voxels in the mean: equal, or a Gaussian around its centre. Default `constant`. */
  readonly mode?: "constant" | "gaussian";
  /** Sigma of the Gaussian in window sides. Default 0.125. */
  readonly sigmaScale?: number;
  /** Windows per call of `predictor`. Default 1. */
  readonly batchSize?: number;
  /** Spatial axes (0 = first after the batch) for mirror test-time augmentation; all 2^k flips are averaged. */
  readonly mirrorAxes?: readonly number[];
  /**
   * Where windows are summed. `host` (default): in ordinary memory, which then holds the output and one plane beside the
   * input, however large the volume. `device`: on the accelerator, without reading back in between.
   */
  readonly accumulateOn?: "host" | "device";
  readonly onProgress?: (done: number, total: number) => void;
}

function strideOf(options: SlidingWindowOptions, space: readonly number[]): number[] {
  const { roiSize, overlap = 0.25, strides } = options;
  const where = "slidingWindowInference";
  if (strides !== undefined) {
    if (options.overlap !== undefined) throw new OptionError(`${where}: give overlap or strides, not both`);
    if (strides.length !== space.length)
      throw new OptionError(`${where}: strides must have ${space.length} entries, received [${strides}]`);
    for (const stride of strides) checkNumber(where, "strides", stride, { integer: true, min: 1 });
    // A stride beyond the window would leave voxels that no window saw.
    return strides.map((stride, axis) => Math.min(stride, roiSize[axis]!));
  }
  const fractions = typeof overlap === "number" ? space.map(() => overlap) : overlap;
  if (fractions.length !== space.length)
    throw new OptionError(`${where}: overlap must have ${space.length} entries, received [${fractions}]`);
  return fractions.map((fraction, axis) => {
    checkNumber(where, "overlap", fraction, { min: 0, below: 1 });
    return Math.max(1, Math.floor(roiSize[axis]! * (1 - fraction)));
  });
}

/**
 * Predicts a volume window by window and averages where windows overlap.
 *
 *   y(v) = sum_w g(v - s_w) f(x_w)(v) / sum_w g(v - s_w),   s_w = min(i * stride, length - roi) per axis
 *
 * with g = 1 or a Gaussian. Windows, padding and weights are MONAI's `sliding_window_inference` for the same options.
 *
 * @param x - `[N, ...S, channels]`, a tensor or values in ordinary memory; the result is of the same kind.
 * @returns `[N, ...S, C]`; a tensor is the caller's to dispose.
 * @throws ShapeError for a wrong rank, or a prediction that doesn't have the window's shape; OptionError.
 */
export function slidingWindowInference(x: Tensor, options: SlidingWindowOptions): Promise<Tensor>;
export function slidingWindowInference(x: HostArray, options: SlidingWindowOptions): Promise<HostArray>;
export async function slidingWindowInference(
  x: Tensor | HostArray,
  options: SlidingWindowOptions,
): Promise<Tensor | HostArray> {
  const where = "slidingWindowInference";
  const { roiSize, mode = "constant", sigmaScale = 0.125, batchSize = 1, mirrorAxes = [] } = options;
  const { accumulateOn = "host", onProgress } = options;
  checkRank(where, "x", x, [4, 5]);
  checkChoice(where, "mode", mode, ["constant", "gaussian"]);
  checkChoice(where, "accumulateOn", accumulateOn, ["host", "device"]);
  checkNumber(where, "batchSize", batchSize, { integer: true, min: 1 });
  if (x.shape.some((n) => n < 1)) throw new ShapeError(`${where}: x must not be empty, received shape [${x.shape}]`);
  const space = x.shape.slice(1, -1);
  if (roiSize.length !== space.length)
    throw new OptionError(`${where}: roiSize must have ${space.length} entries, received [${roiSize}]`);
  for (const side of roiSize) checkNumber(where, "roiSize", side, { integer: true, min: 1 });
  for (const axis of mirrorAxes) checkNumber(where, "mirrorAxes", axis, { integer: true, min: 0, below: space.length });
  const grid = windowGrid(space, roiSize, strideOf(options, space));
  const weights = importanceMap(roiSize, mode, sigmaScale);
  const job = { grid, weights, batchSize, predictor: mirrored(options.predictor, [...new Set(mirrorAxes)]), roiSize };
  const isTensor = x instanceof TensorClass;
  if (isTensor && accumulateOn === "device") return accumulateOnDevice(x, { ...job, onProgress });
  const host: HostArray = isTensor ? { data: (await x.data()) as Float32Array, shape: x.shape } : x;
  const result = await accumulateOnHost(host, job, onProgress);
  return isTensor ? tensor(result.data, [...result.shape]) : result;
}

/** What both ways of summing share. */
export interface WindowJob {
  readonly grid: WindowGrid;
  readonly weights: Float32Array;
  readonly batchSize: number;
  readonly predictor: Predictor;
  readonly roiSize: readonly number[];
}

async function accumulateOnHost(
  x: HostArray,
  { grid, weights, batchSize, predictor, roiSize }: WindowJob,
  onProgress: SlidingWindowOptions["onProgress"],
): Promise<HostArray> {
  const samples = x.shape[0]!;
  const channels = x.shape.at(-1)!;
  const voxels = grid.space[0] * grid.space[1] * grid.space[2];
  const windowVoxels = weights.length;
  const total = samples * grid.windows.length;
  let out: Float32Array | null = null;
  let classes = 0;
  for (let n = 0; n < samples; n++) {
    const image = x.data.subarray(n * voxels * channels, (n + 1) * voxels * channels);
    for (let first = 0; first < grid.windows.length; first += batchSize) {
      const windows = grid.windows.slice(first, first + batchSize);
      const values = new Float32Array(windows.length * windowVoxels * channels);
      const size = windowVoxels * channels;
      for (const [i, window] of windows.entries())
        readWindow(image, channels, grid, window, values.subarray(i * size, (i + 1) * size));
      const patch = tensor(values, [windows.length, ...roiSize, channels]);
      const predicted = await predictor(patch);
      checkShape("slidingWindowInference", "the predictor's result", predicted, [
        windows.length,
        ...roiSize,
        classes || null,
      ]);
      classes = predicted.shape.at(-1)!;
      const probabilities = (await predicted.data()) as Float32Array;
      if (predicted !== patch) predicted.dispose();
      patch.dispose();
      out ??= new Float32Array(samples * voxels * classes);
      const sum = out.subarray(n * voxels * classes, (n + 1) * voxels * classes);
      const step = windowVoxels * classes;
      for (const [i, window] of windows.entries())
        addWindow(sum, classes, grid, window, probabilities.subarray(i * step, (i + 1) * step), weights);
      onProgress?.(n * grid.windows.length + first + windows.length, total);
    }
    divideByWeights(out!.subarray(n * voxels * classes, (n + 1) * voxels * classes), classes, grid, weights);
  }
  return { data: out!, shape: [samples, ...x.shape.slice(1, -1), classes] };
}
