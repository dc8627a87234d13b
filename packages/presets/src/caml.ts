import { type OmniCorrelationTermOptions, omniCorrelationTerm } from "@semiseg/correlation";
import { checkNumber, OptionError } from "@semiseg/errors";
import { composeMethod, type Method, sigmoidRampUp, type Term } from "@semiseg/method";
import { type MutualConsistencyTermOptions, mutualConsistencyTerm } from "@semiseg/mutual-consistency";
import { RandomStream } from "@semiseg/nn";
import { type AttentionOptions, attendingAuxiliary, seedOf } from "./auxiliary-network.js";
import { type NetworkChoice, networkOf } from "./network-of.js";
import { type SupervisedTermOptions, supervisedTerm } from "./supervised-term.js";

/** Options of {@link caml}. */
export interface CamlConfig {
  /** The vanilla network, kept for inference: a V-Net or options of one. */
  readonly network?: NetworkChoice;
  /**
   * The auxiliary network, dropped at test time. Default: the options of the first with another seed, a trilinear
   * decoder, and cross-sample mutual attention on stage 4.
   */
  readonly auxiliary?: NetworkChoice;
  /** Options of the attention of the default auxiliary network; false leaves it out. */
  readonly attention?: AttentionOptions | false;
  /** Loss of both networks on the labelled half. Default: half of Dice with plain sums below alone, as published. */
  readonly supervised?: Omit<SupervisedTermOptions, "of" | "heads">;
  /** Options of mutual consistency; false leaves it out. */
  readonly consistency?: Omit<MutualConsistencyTermOptions, "between" | "rampLength"> | false;
  /** Options of omni-correlation consistency; false leaves it out. */
  readonly correlation?:
    | Omit<OmniCorrelationTermOptions, "channels" | "auxiliaryChannels" | "numClasses" | "random" | "rampLength">
    | false;
  /**
   * Steps over which both consistencies' weights rise. Default: 6000 of 15000, in proportion to the length of the run, as
   * published for 4 labelled scans; 3000 and 2250 for 8 and 16.
   */
  readonly rampLength?: number;
  /** The weights change every so many steps. Default 1; published 150. */
  readonly rampPeriod?: number;
}

/**
 * CAML (Gao et al., "Correlation-aware mutual learning for semi-supervised medical image segmentation", MICCAI 2023): a
 * vanilla V-Net and an auxiliary one that attends across the samples of a batch learn from each other, through sharpened
 * probabilities and through the correlations of confident unlabelled voxels with a memory of labelled ones.
 * `0.5 Dice(V) + 0.5 Dice(A) + r L_c + 0.05 r L_o` with a ramp r whose steps count from 1.
 */
export function caml(config: CamlConfig = {}): Method {
  const { network = {}, attention, supervised = {}, consistency = {}, correlation = {} } = config;
  const { rampLength, rampPeriod = 1 } = config;
  if (rampLength !== undefined) checkNumber("caml", "rampLength", rampLength, { min: 0 });
  checkNumber("caml", "rampPeriod", rampPeriod, { integer: true, min: 1 });
  if (config.auxiliary !== undefined && attention)
    throw new OptionError("caml: attention is an option of the default auxiliary network: leave it out with auxiliary");
  const student = networkOf(network);
  const auxiliary = config.auxiliary
    ? networkOf(config.auxiliary)
    : attendingAuxiliary("caml", network, student, attention ?? {});
  const ramped = (term: Term, weight: number): Term => ({
    ...term,
    weight: (step, maxSteps) =>
      weight * sigmoidRampUp(rampPeriod * Math.floor((step + 1) / rampPeriod), rampLength ?? 0.4 * maxSteps),
  });
  const dice = { weight: 0.5, crossEntropyWeight: 0, diceWeight: 1, squaredPred: false, smooth: 1e-8, ...supervised };
  const terms = [supervisedTerm(dice), supervisedTerm({ ...dice, of: "auxiliary" })];
  if (consistency)
    terms.push(ramped(mutualConsistencyTerm({ ...consistency, between: "networks" }), consistency.weight ?? 1));
  if (correlation)
    terms.push(
      ramped(
        omniCorrelationTerm({
          ...correlation,
          channels: student.provides.embedding.channels,
          auxiliaryChannels: auxiliary.provides.embedding.channels,
          numClasses: student.provides.classes,
          random: new RandomStream(seedOf(network)).fork("omni correlation"),
        }),
        correlation.weight ?? 0.05,
      ),
    );
  return composeMethod({ name: "caml", student, auxiliary, terms });
}
