import { type DiceCrossEntropyLossOptions, diceCrossEntropyLoss } from "@semiseg/losses";
import type { Term } from "@semiseg/method";

/** Options of {@link supervisedTerm}. */
export interface SupervisedTermOptions extends DiceCrossEntropyLossOptions {
  /** Default 1. */
  readonly weight?: number;
}

/** Term: `0.5 (cross-entropy + Dice)` of the student on the labelled half. */
export function supervisedTerm(options: SupervisedTermOptions = {}): Term {
  const { weight = 1, ...loss } = options;
  return {
    name: "supervised",
    needs: {},
    about: "cross-entropy and Dice of the labelled half",
    weight: () => weight,
    loss: (context) => diceCrossEntropyLoss(context.labeled.labels, context.student.labeled().logits, loss),
  };
}
