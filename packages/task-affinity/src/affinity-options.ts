import { checkChoice, checkNumber } from "@semiseg/errors";
import type { StepContext } from "@semiseg/method";
import type { Tensor } from "@tensorflow/tfjs-core";
import type { Activation } from "./activate.js";
import { PAIRINGS, type Pairing } from "./pooled-classes.js";

/** Voxels of the unlabelled half that count in a guide: another method's uncertainty, for example. */
export interface GuideGate {
  /** Guides of equal names are shared by the terms of a step. */
  readonly name: string;
  /** float32 `[B_u, ...S]`, between 0 and 1; a constant. */
  mask(context: StepContext): Tensor;
}

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
  /** Unlabelled voxels that count. Default: all. */
  readonly gate?: GuideGate;
}

/** `options` with defaults, checked; the weight matches the strength of the released form at two samples per half. */
export function resolveAffinityOptions(
  where: string,
  options: AffinityTermOptions,
  published: number,
): Required<Omit<AffinityTermOptions, "activation" | "gate">> & Pick<AffinityTermOptions, "activation" | "gate"> {
  const { pairing = "batch", activation, maskAbsent = true, detachLabeled = false, detachGuide = false } = options;
  checkChoice(where, "pairing", pairing, PAIRINGS);
  if (activation !== undefined) checkChoice(where, "activation", activation, ["sigmoid", "softmax"]);
  // With B samples of equal vectors the released form is 1 / B^2 of the others.
  const weight = options.weight ?? (pairing === "code" ? published : published / 4);
  checkNumber(where, "weight", weight, { min: 0 });
  return {
    weight,
    pairing,
    maskAbsent,
    detachLabeled,
    detachGuide,
    ...(activation ? { activation } : {}),
    ...(options.gate ? { gate: options.gate } : {}),
  };
}
