import { checkChoice, checkNumber } from "@semiseg/errors";
import type { Activation } from "./activate.js";
import { PAIRINGS, type Pairing } from "./pooled-classes.js";

/** Options of both affinity terms. */
export interface AffinityTermOptions {
  readonly weight?: number;
  /** How class vectors are pooled and compared. Default `batch`. */
  readonly pairing?: Pairing;
  /** What turns logits into the guide of the unlabelled half. Default: `sigmoid` for two classes, else `softmax`. */
  readonly activation?: Activation;
  /** Leave classes out that a half lacks at a level. Default true. */
  readonly maskAbsent?: boolean;
  /** Labelled class vectors are constants: knowledge flows to the unlabelled half only. Default false. */
  readonly detachLabeled?: boolean;
  /** The guide is a constant: the prediction cannot be bent to please this loss. Default false. */
  readonly detachGuide?: boolean;
}

/** `options` with defaults, checked; the weight matches the strength of the released form at two samples per half. */
export function resolveAffinityOptions(
  where: string,
  options: AffinityTermOptions,
  published: number,
): Required<Omit<AffinityTermOptions, "activation">> & Pick<AffinityTermOptions, "activation"> {
  const { pairing = "batch", activation, maskAbsent = true, detachLabeled = false, detachGuide = false } = options;
  checkChoice(where, "pairing", pairing, PAIRINGS);
  if (activation !== undefined) checkChoice(where, "activation", activation, ["sigmoid", "softmax"]);
  // With B samples of equal vectors the released form is 1 / B^2 of the others.
  const weight = options.weight ?? (pairing === "code" ? published : published / 4);
  checkNumber(where, "weight", weight, { min: 0 });
  return { weight, pairing, maskAbsent, detachLabeled, detachGuide, ...(activation ? { activation } : {}) };
}
