import type { StepContext } from "@semiseg/method";
import { withoutGradient } from "@semiseg/nn";
import { softmax, type Tensor } from "@tensorflow/tfjs-core";
import { scaleOutputs } from "./scale-outputs.js";

/**
 * The student's probabilities of the unlabelled half at every scale, coarse to fine; computed once a step, without
 * gradient.
 */
export function unlabeledProbabilities(context: StepContext): readonly Tensor[] {
  // The pass itself is asked for with gradient, whoever comes first.
  const outputs = scaleOutputs(context.student.network, context.student.unlabeled());
  return context.share("unlabeled probabilities", () =>
    withoutGradient(() => outputs.map(({ logits }) => softmax(logits))),
  );
}
