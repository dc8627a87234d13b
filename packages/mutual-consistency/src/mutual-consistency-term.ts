import { checkChoice, checkNumber } from "@semiseg/errors";
import { type StepContext, sigmoidRampUp, type Term } from "@semiseg/method";
import type { Tensor } from "@tensorflow/tfjs-core";
import { consistencyOfLogits } from "./consistency-of-logits.js";
import type { MutualConsistencyOptions } from "./mutual-consistency-loss.js";

/** Options of {@link mutualConsistencyTerm}. */
export interface MutualConsistencyTermOptions extends MutualConsistencyOptions {
  /** All pairs of the student's decoders (MC-Net), or student and auxiliary network (CAML). Default `decoders`. */
  readonly between?: "decoders" | "networks";
  /** Final weight. Default 1. */
  readonly weight?: number;
  /** Steps over which the weight rises. Default: the whole run. */
  readonly rampLength?: number;
}

/** Logits of the whole batch that are drawn to each other. */
function outputsOf(context: StepContext, between: "decoders" | "networks"): Tensor[] {
  const { logits, heads } = context.student.all();
  if (between === "networks") return [logits, context.auxiliary.all().logits];
  const decoders = Object.keys(heads).filter((name) => name.startsWith("decoder"));
  return [logits, ...decoders.map((name) => heads[name]!)];
}

/**
 * Term: several predictions of the same batch are drawn to each other's sharpened ones, in pairs and both directions.
 *
 * @see Wu et al. (MC-Net), MICCAI 2021, equation 2, and MC-Net+, Medical Image Analysis 2022; Gao et al. (CAML), MICCAI 2023.
 */
export function mutualConsistencyTerm(options: MutualConsistencyTermOptions = {}): Term {
  const { between = "decoders", weight = 1, rampLength, temperature = 0.1, detachTargets = false } = options;
  checkChoice("mutualConsistencyTerm", "between", between, ["decoders", "networks"]);
  checkNumber("mutualConsistencyTerm", "weight", weight, { min: 0 });
  checkNumber("mutualConsistencyTerm", "temperature", temperature, { above: 0 });
  return {
    name: "mutual consistency",
    needs: between === "networks" ? { auxiliary: true } : { heads: ["decoder1"] },
    about: `${between === "networks" ? "student and auxiliary network" : "the student's decoders"} agree with each other's sharpened probabilities`,
    weight: (step, maxSteps) => weight * sigmoidRampUp(step, rampLength ?? maxSteps),
    loss: (context) => {
      const outputs = outputsOf(context, between);
      return consistencyOfLogits(outputs, { temperature, detachTargets });
    },
  };
}
