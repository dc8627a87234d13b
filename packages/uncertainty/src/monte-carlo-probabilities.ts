import { checkNumber } from "@semiseg/errors";
import type { RandomStream } from "@semiseg/nn";
import { add, div, reshape, scalar, softmax, split, type Tensor, tidy, tile } from "@tensorflow/tfjs-core";
import { clippedNoise } from "./clipped-noise.js";

/** Options of {@link monteCarloProbabilities}. */
export interface MonteCarloOptions {
  /** Stochastic passes. Default 8. */
  readonly samples?: number;
  /** Standard deviation of the input noise. Default 0.1. */
  readonly noiseStd?: number;
  /** Bound of the input noise. Default 0.2. */
  readonly noiseClip?: number;
  /** Passes joined in one batch. Default: 2, as the published code repeats the batch twice. */
  readonly samplesPerPass?: number;
  /** Source of the noise; dropout masks are the forward function's own. */
  readonly random: RandomStream;
}

/** Runs the passes; `use` gets the softmax outputs of each, joined along the batch, and how many samples they are. */
function runPasses(
  forward: (x: Tensor, pass: number) => Tensor,
  x: Tensor,
  options: MonteCarloOptions,
  use: (probs: Tensor, count: number) => void,
): void {
  const { samples = 8, noiseStd = 0.1, noiseClip = 0.2, samplesPerPass = 2, random } = options;
  checkNumber("monteCarloProbabilities", "samples", samples, { integer: true, min: 1 });
  checkNumber("monteCarloProbabilities", "noiseStd", noiseStd, { min: 0 });
  checkNumber("monteCarloProbabilities", "noiseClip", noiseClip, { min: 0 });
  checkNumber("monteCarloProbabilities", "samplesPerPass", samplesPerPass, { integer: true, min: 1 });
  for (let pass = 0, left = samples; left > 0; pass++) {
    const count = Math.min(samplesPerPass, left);
    left -= count;
    const probs = tidy(() => {
      // Repeated through a flat view: tfjs's tile covers rank 5 on few engines, and adding noise repeats by itself.
      const flat = reshape(x, [1, x.size]);
      const repeated =
        noiseStd > 0
          ? add(flat, clippedNoise(random.fork(`noise/${pass}`), [count, x.size], noiseStd, noiseClip))
          : tile(flat, [count, 1]);
      return softmax(forward(reshape(repeated, [count * x.shape[0]!, ...x.shape.slice(1)]), pass));
    });
    use(probs, count);
    probs.dispose();
  }
}

/**
 * Softmax outputs of several stochastic passes, each with noise of its own on the input and whatever dropout `forward`
 * has (Gal and Ghahramani, ICML 2016).
 *
 * @param forward - logits of a (noisy) batch, with dropout on; called with the batch and the number of the pass.
 * @param x - `[N, ...S, channels]`.
 * @returns `samples` tensors `[N, ...S, C]`; the caller disposes them.
 */
export function monteCarloProbabilities(
  forward: (x: Tensor, pass: number) => Tensor,
  x: Tensor,
  options: MonteCarloOptions,
): Tensor[] {
  const results: Tensor[] = [];
  runPasses(forward, x, options, (probs, count) => results.push(...tidy(() => split(probs, count, 0))));
  return results;
}

/**
 * The mean of {@link monteCarloProbabilities}, added up pass by pass, so that one sum is held in place of all samples.
 *
 * @returns `[N, ...S, C]`; the caller disposes it.
 */
export function monteCarloMean(
  forward: (x: Tensor, pass: number) => Tensor,
  x: Tensor,
  options: MonteCarloOptions,
): Tensor {
  let total: Tensor | undefined;
  runPasses(forward, x, options, (probs, count) => {
    const before = total;
    total = tidy(() => split(probs, count, 0).reduce((sum, part) => add(sum, part), before ?? scalar(0)));
    before?.dispose();
  });
  const mean = tidy(() => div(total!, options.samples ?? 8));
  total!.dispose();
  return mean;
}
