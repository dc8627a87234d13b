import type { StepContext } from "@semiseg/method";
import type { Scalar } from "@tensorflow/tfjs-core";
import { normalizedLoss } from "./normalized-loss.js";
import type { WarmUpOptions } from "./warm-up.js";

/** Options that all terms of this package share. */
export interface PrototypeTermOptions extends WarmUpOptions {
  /** Weight after the warm-up. */
  readonly weight?: number;
  /** Divide the loss by its own value (see `normalizedLoss`); the value goes to the log. Default false. */
  readonly normalize?: boolean;
}

/** The loss as a term gives it: divided by its own, logged, value where that is asked for. */
export function finished(context: StepContext, name: string, loss: Scalar, normalize: boolean): Scalar {
  if (!normalize) return loss;
  context.log(`${name}/value`, loss);
  return normalizedLoss(loss);
}
