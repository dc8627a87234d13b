import { checkChoice } from "@semiseg/errors";
import { type DiceCrossEntropyLossOptions, diceCrossEntropyLoss } from "@semiseg/losses";
import type { Term } from "@semiseg/method";
import { addN, type Scalar, tidy } from "@tensorflow/tfjs-core";

/** Options of {@link supervisedTerm}. */
export interface SupervisedTermOptions extends DiceCrossEntropyLossOptions {
  /** Default 1. */
  readonly weight?: number;
  /** Which network learns. Default `student`. */
  readonly of?: "student" | "auxiliary";
  /** Heads with logits of their own that learn beside the main ones, e.g. `decoder1`; losses are added. Default none. */
  readonly heads?: readonly string[];
}

/** Term: `0.5 (cross-entropy + Dice)` of the student, or the auxiliary network, on the labelled half. */
export function supervisedTerm(options: SupervisedTermOptions = {}): Term {
  const { weight = 1, of = "student", heads = [], ...loss } = options;
  checkChoice("supervisedTerm", "of", of, ["student", "auxiliary"]);
  return {
    name: of === "student" ? "supervised" : "supervised auxiliary",
    needs: { ...(heads.length > 0 ? { heads } : {}), ...(of === "auxiliary" ? { auxiliary: true } : {}) },
    about: "cross-entropy and Dice of the labelled half",
    weight: () => weight,
    loss: (context) => {
      const output = context[of].labeled();
      const { labels } = context.labeled;
      const losses = [output.logits, ...heads.map((head) => output.heads[head]!)].map((logits) =>
        diceCrossEntropyLoss(labels, logits, loss),
      );
      return losses.length === 1 ? losses[0]! : tidy(() => addN(losses) as Scalar);
    },
  };
}
