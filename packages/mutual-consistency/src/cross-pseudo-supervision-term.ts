import { CompatibilityError, checkChoice, checkNumber } from "@semiseg/errors";
import { crossEntropyLoss } from "@semiseg/losses";
import { sigmoidRampUp, type Term } from "@semiseg/method";
import { withoutGradient } from "@semiseg/nn";
import { add, argMax, type Scalar, tidy } from "@tensorflow/tfjs-core";

/** Options of {@link crossPseudoSupervisionTerm}. */
export interface CrossPseudoSupervisionTermOptions {
  /** Final weight. Default 0.1. */
  readonly weight?: number;
  /** Steps over which the weight rises. Default: the whole run. */
  readonly rampLength?: number;
  /** Samples with pseudo-labels: the whole batch or its unlabelled half. Default `all`, as published. */
  readonly on?: "all" | "unlabeled";
}

/**
 * Term: two networks, each taught by the other's hard pseudo-labels (cross-entropy in both directions).
 *
 * @see Chen et al., "Semi-supervised semantic segmentation with cross pseudo supervision", CVPR 2021, equation 2.
 */
export function crossPseudoSupervisionTerm(options: CrossPseudoSupervisionTermOptions = {}): Term {
  const { weight = 0.1, rampLength, on = "all" } = options;
  checkNumber("crossPseudoSupervisionTerm", "weight", weight, { min: 0 });
  checkChoice("crossPseudoSupervisionTerm", "on", on, ["all", "unlabeled"]);
  const name = "cross pseudo supervision";
  return {
    name,
    needs: { auxiliary: true, ...(on === "unlabeled" ? { unlabeled: true } : {}) },
    about: "student and auxiliary network learn each other's pseudo-labels",
    weight: (step, maxSteps) => weight * sigmoidRampUp(step, rampLength ?? maxSteps),
    loss: (context) => {
      if (on === "unlabeled" && !context.unlabeled)
        throw new CompatibilityError(
          `${name}: the batch holds no unlabelled sample: use on: 'all' or give unlabelled cases`,
        );
      const [a, b] = [context.student, context.auxiliary].map((passes) =>
        on === "all" ? passes.all().logits : passes.unlabeled().logits,
      );
      return tidy(() => {
        const pseudo = (logits: NonNullable<typeof a>) => withoutGradient(() => argMax(logits, -1));
        return add(crossEntropyLoss(pseudo(b!), a!), crossEntropyLoss(pseudo(a!), b!)) as Scalar;
      });
    },
  };
}
