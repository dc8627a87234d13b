import { checkNumber } from "@semiseg/errors";
import { cast, less, type Tensor, tidy } from "@tensorflow/tfjs-core";

/** Options of {@link entropyThreshold}. */
export interface EntropyThresholdOptions {
  /** Share of ln C at the start. Default 0.75. */
  readonly start?: number;
}

/**
 * The entropy below which a voxel counts as reliable: `(0.75 + 0.25 ramp(step, maxSteps)) ln C`, rising to the largest
 * possible entropy of C classes.
 *
 * @see Yu et al. (UA-MT), MICCAI 2019, section 2.2; ln 2 there is ln C here.
 */
export function entropyThreshold(
  step: number,
  maxSteps: number,
  numClasses: number,
  options: EntropyThresholdOptions = {},
): number {
  const { start = 0.75 } = options;
  checkNumber("entropyThreshold", "step", step, { min: 0 });
  checkNumber("entropyThreshold", "maxSteps", maxSteps, { min: 0 });
  checkNumber("entropyThreshold", "numClasses", numClasses, { integer: true, min: 2 });
  checkNumber("entropyThreshold", "start", start, { min: 0, max: 1 });
  const left = maxSteps === 0 ? 0 : 1 - Math.min(step, maxSteps) / maxSteps;
  return (start + (1 - start) * Math.exp(-5 * left * left)) * Math.log(numClasses);
}

/** float32 mask `[N, ...S]`: 1 where the entropy is strictly below the threshold. */
export function reliableMask(entropy: Tensor, threshold: number): Tensor {
  checkNumber("reliableMask", "threshold", threshold);
  return tidy(() => cast(less(entropy, threshold), "float32"));
}
