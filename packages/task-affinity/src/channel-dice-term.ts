import { checkNumber } from "@semiseg/errors";
import type { Term } from "@semiseg/method";
import { type ChannelDiceLossOptions, channelDiceLoss } from "./channel-dice-loss.js";

/** Options of {@link channelDiceTerm}. */
export interface ChannelDiceTermOptions extends ChannelDiceLossOptions {
  /** Default 1. */
  readonly weight?: number;
}

/**
 * Term: the student's `channelDiceLoss` on the labelled half, TAC's supervised loss. Named `supervised`.
 *
 * @see Chen et al. (TAC), IEEE TMI 2023.
 */
export function channelDiceTerm(options: ChannelDiceTermOptions = {}): Term {
  const { weight = 1, ...loss } = options;
  checkNumber("channelDiceTerm", "weight", weight, { min: 0 });
  return {
    name: "supervised",
    needs: {},
    about: "Dice losses of every channel of the labelled half, added",
    weight: () => weight,
    loss: (context) => channelDiceLoss(context.labeled.labels, context.student.labeled().logits, loss),
  };
}
