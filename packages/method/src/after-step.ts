import { withoutGradient } from "@semiseg/nn";
import { tidy } from "@tensorflow/tfjs-core";
import type { Method } from "./method.js";
import type { StepContext } from "./term.js";

/**
 * Runs the terms' `afterStep` one after another, without gradient. What a term makes before it first waits is freed as
 * soon as it does.
 */
export async function afterStep(method: Method, context: StepContext): Promise<void> {
  for (const term of method.terms) {
    const waits: (void | Promise<void>)[] = [];
    withoutGradient(() => tidy(() => void waits.push(term.afterStep?.(context))));
    await waits[0];
  }
}
