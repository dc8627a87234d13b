import { onehotOf } from "@semiseg/losses";
import type { StepContext } from "@semiseg/method";
import { type MaskedPrototypes, maskedPrototypes } from "./region-prototypes.js";
import { labelsAt, scaleOutputs } from "./scale-outputs.js";

/**
 * Prototypes of the labelled half at every scale, with gradients, shared by the terms of a step. To be called inside
 * `tidy`.
 */
export function labeledPrototypes(context: StepContext): readonly MaskedPrototypes[] {
  return context.share("labeled prototypes", () =>
    scaleOutputs(context.student.network, context.student.labeled()).map(({ feature, logits }) =>
      maskedPrototypes(feature, onehotOf(labelsAt(context.labeled.labels, logits), context.numClasses)),
    ),
  );
}
