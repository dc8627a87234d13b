import type { Term } from "@semiseg/method";
import type { AffinityTermOptions } from "./affinity-options.js";
import { affinityTerm } from "./affinity-term.js";

/** Options of {@link contextualAffinityTerm}. */
export interface ContextualAffinityTermOptions extends AffinityTermOptions {
  /** Default: 0.5 with `pairing: 'code'`, as published; otherwise 0.125, of the same strength at two samples per half. */
  readonly weight?: number;
}

/**
 * Term: as `structuralAffinityTerm`, in the encoder's features of every scale.
 *
 * @see Chen et al. (TAC), IEEE TMI 2023, contextual view.
 */
export function contextualAffinityTerm(options: ContextualAffinityTermOptions = {}): Term {
  return affinityTerm(
    {
      where: "contextualAffinityTerm",
      name: "contextual affinity",
      about: "class vectors of encoder features agree between labelled and unlabelled images, at every scale",
      features: "encoder",
      weight: 0.5,
    },
    options,
  );
}
