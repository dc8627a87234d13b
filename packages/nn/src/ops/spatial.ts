import { checkNumber, OptionError, ShapeError } from "@semiseg/errors";
import { reshape, type Tensor, util } from "@tensorflow/tfjs-core";

/** A size per spatial axis; a number stands for all axes. */
export type PerAxis = number | readonly number[];

/** `value` for each of `dims` axes, checked to be integers >= `min`. */
export function perAxis(where: string, argument: string, value: PerAxis, dims: number, min = 1): number[] {
  const list = typeof value === "number" ? Array<number>(dims).fill(value) : [...value];
  if (list.length !== dims)
    throw new OptionError(`${where}: ${argument} must be a number or ${dims} numbers, received ${list.length}`);
  for (const n of list) checkNumber(where, argument, n, { integer: true, min });
  return list;
}

/** Throws ShapeError unless `x` is `[N, ...S, channels]` of `dims` spatial axes. */
export function checkChannelsLast(where: string, x: Tensor, dims: number, channels: number): void {
  if (x.rank !== dims + 2 || x.shape[x.rank - 1] !== channels)
    throw new ShapeError(
      `${where}: x must have shape [${["N", ...["D", "H", "W"].slice(-dims), channels].join(", ")}] (channels last), received [${x.shape.join(", ")}]`,
    );
}

export const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);

/** `x` in another shape; `x` itself where that is its own, since engines run a reshape as an operation. */
export const inShape = (x: Tensor, shape: readonly number[]): Tensor =>
  util.arraysEqual(x.shape, [...shape]) ? x : reshape(x, [...shape]);
