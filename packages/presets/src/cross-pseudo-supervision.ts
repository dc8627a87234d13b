import { composeMethod, type Method } from "@semiseg/method";
import { type CrossPseudoSupervisionTermOptions, crossPseudoSupervisionTerm } from "@semiseg/mutual-consistency";
import { type NetworkChoice, networkOf } from "./network-of.js";
import { reseeded } from "./reseeded.js";
import { supervisedTerm } from "./supervised-term.js";

/** Options of {@link crossPseudoSupervision}. */
export interface CrossPseudoSupervisionConfig {
  readonly network?: NetworkChoice;
  /** The second network. Default: the options of the first with another seed. */
  readonly auxiliary?: NetworkChoice;
  readonly pseudoSupervision?: CrossPseudoSupervisionTermOptions;
}

/** Cross pseudo supervision (Chen et al., CVPR 2021): two networks of unlike weights that label for each other. */
export function crossPseudoSupervision(config: CrossPseudoSupervisionConfig = {}): Method {
  const { network = {}, pseudoSupervision } = config;
  const student = networkOf(network);
  return composeMethod({
    name: "cross-pseudo-supervision",
    student,
    auxiliary: networkOf(config.auxiliary ?? reseeded("crossPseudoSupervision", network)),
    terms: [supervisedTerm(), supervisedTerm({ of: "auxiliary" }), crossPseudoSupervisionTerm(pseudoSupervision)],
  });
}
