import { checkNumber, OptionError } from "@semiseg/errors";
import { cast, clone, mul, type Tensor, tensor, tidy } from "@tensorflow/tfjs-core";
import { type ApplyOptions, type Layer, moduleOf } from "../module.js";
import type { RandomStream } from "../random-stream.js";

/** Options of {@link dropout} and `channelDropout`. */
export interface DropoutOptions {
  /** Probability that a value is set to 0 while training; others are divided by 1 - rate. */
  readonly rate: number;
}

const LEVELS = 0x10000;

/**
 * `n` independent flags, 0 with probability `rate` rounded to 1/65536: two from each 32-bit number, since elementwise
 * masks of volumes run to tens of millions.
 */
export function keepMask(n: number, rate: number, random: RandomStream): Uint8Array {
  const threshold = Math.round(rate * LEVELS);
  const mask = new Uint8Array(n);
  const words = random.fillBits(new Uint32Array(Math.ceil(n / 2)));
  for (let i = 0; i < n; i++) {
    const bits = words[i >> 1]!;
    mask[i] = (i & 1 ? bits >>> 16 : bits & 0xffff) >= threshold ? 1 : 0;
  }
  return mask;
}

/** The factor that keeps the expectation, for the rate as rounded by {@link keepMask}. */
export const keepScale = (rate: number): number => LEVELS / (LEVELS - Math.round(rate * LEVELS));

/** The stream that a training pass with dropout needs. */
export function dropoutStream(where: string, options: ApplyOptions | undefined): RandomStream {
  if (options?.random) return options.random;
  throw new OptionError(
    `${where}: a training pass needs options.random, a RandomStream to draw the mask from; pass one or training: false`,
  );
}

/** `x` with values dropped at random: shape of the mask and rate given. */
export function dropped(x: Tensor, maskShape: readonly number[], rate: number, random: RandomStream): Tensor {
  return tidy(() => {
    const n = maskShape.reduce((a, b) => a * b, 1);
    const mask = mul(cast(tensor(keepMask(n, rate, random), [...maskShape], "bool"), "float32"), keepScale(rate));
    return mul(x, mask);
  });
}

/** Checks a dropout rate. */
export const checkRate = (where: string, rate: number): void =>
  checkNumber(where, "rate", rate, { min: 0, max: 0.9999 });

/** Elementwise dropout. The identity outside training; masks come from `options.random`. */
export function dropout({ rate }: DropoutOptions): Layer {
  checkRate("dropout", rate);
  return {
    ...moduleOf({}),
    apply: (x: Tensor, options?: ApplyOptions) =>
      options?.training && rate > 0 ? dropped(x, x.shape, rate, dropoutStream("dropout", options)) : clone(x),
  };
}
