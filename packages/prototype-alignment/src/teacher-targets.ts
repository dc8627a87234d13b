import type { StepContext } from "@semiseg/method";
import { withoutGradient } from "@semiseg/nn";
import { argMax, cast, softmax, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { scaleOutputs } from "./scale-outputs.js";

/** What the teacher says of the unlabelled half at one scale. */
export interface TeacherTarget {
  /** `[N, ...s, C]`. */
  readonly probs: Tensor;
  /** int32 `[N, ...s]`. */
  readonly labels: Tensor;
}

/** Probabilities and pseudo-labels of the teacher's own heads, coarse to fine; computed once a step, without gradient. */
export function teacherTargets(context: StepContext): readonly TeacherTarget[] {
  return context.share("teacher targets", () =>
    withoutGradient(() =>
      scaleOutputs(context.teacher.network, context.teacher.unlabeled()).map(({ logits }) =>
        tidy(() => {
          const probs = softmax(logits);
          return { probs, labels: cast(argMax(probs, -1), "int32") };
        }),
      ),
    ),
  );
}
