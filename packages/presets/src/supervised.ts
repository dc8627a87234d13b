import { composeMethod, type Method } from "@semiseg/method";
import { type NetworkChoice, networkOf } from "./network-of.js";
import { type SupervisedTermOptions, supervisedTerm } from "./supervised-term.js";

/** Options of {@link supervised}. */
export interface SupervisedConfig extends SupervisedTermOptions {
  readonly network?: NetworkChoice;
}

/** Training on labelled cases alone: the baseline of every comparison. */
export function supervised(config: SupervisedConfig = {}): Method {
  const { network, ...term } = config;
  return composeMethod({ name: "supervised", student: networkOf(network), terms: [supervisedTerm(term)] });
}
