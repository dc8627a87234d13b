import { checkNumber } from "@semiseg/errors";
import { diceCrossEntropyLoss } from "@semiseg/losses";
import type { Term } from "@semiseg/method";
import { addN, div, type Scalar, tidy } from "@tensorflow/tfjs-core";
import { LINEAR_DICE } from "./certain-pseudo-label-loss.js";
import { labelsAt, scaleOutputs } from "./scale-outputs.js";
import { finished, type PrototypeTermOptions } from "./term-options.js";

/** Options of {@link deepSupervisedTerm}. */
export interface DeepSupervisedTermOptions extends Omit<PrototypeTermOptions, "warmUpSteps"> {
  /** How the student sees the batch; DuCiSC runs one pass per half. Default: whatever the other terms need. */
  readonly passes?: "joint" | "separate";
}

/**
 * Term: `0.5 (cross-entropy + Dice)` of the labelled half, averaged over the deep-supervision scales; labels are taken to
 * a coarse scale by nearest neighbour. Weight 1.
 *
 * @see DuCiSC, IEEE TMI 2025, arXiv:2507.21440, supervised loss.
 */
export function deepSupervisedTerm(options: DeepSupervisedTermOptions = {}): Term {
  const { weight = 1, normalize = false, passes } = options;
  checkNumber("deepSupervisedTerm", "weight", weight, { min: 0 });
  const name = "deep supervision";
  return {
    name,
    needs: { features: ["scales"], ...(passes ? { passes } : {}) },
    about: "cross-entropy and Dice of the labelled half at every decoder scale",
    weight: () => weight,
    loss: (context) =>
      tidy(() => {
        const outputs = scaleOutputs(context.student.network, context.student.labeled());
        const losses = outputs.map(({ logits }) =>
          diceCrossEntropyLoss(labelsAt(context.labeled.labels, logits), logits, LINEAR_DICE),
        );
        return finished(context, name, div(addN(losses), losses.length) as Scalar, normalize);
      }),
  };
}
