import { checkNumber } from "@semiseg/errors";

/** When the terms on unlabelled images begin. */
export interface WarmUpOptions {
  /** Steps on labelled images alone. Default: 2000 of 15000 as published, in proportion to the length of the run. */
  readonly warmUpSteps?: number;
}

/** Steps of warm-up of a run. */
export function warmUpSteps(maxSteps: number, options: WarmUpOptions): number {
  return options.warmUpSteps ?? Math.round((maxSteps * 2) / 15);
}

/** A weight that is 0 during the warm-up: nothing of the term is computed then. */
export function afterWarmUp(
  where: string,
  weight: number,
  options: WarmUpOptions,
): (step: number, maxSteps: number) => number {
  checkNumber(where, "weight", weight, { min: 0 });
  if (options.warmUpSteps !== undefined)
    checkNumber(where, "warmUpSteps", options.warmUpSteps, { integer: true, min: 0 });
  return (step, maxSteps) => (step >= warmUpSteps(maxSteps, options) ? weight : 0);
}
