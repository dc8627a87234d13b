import type { Term } from "@semiseg/method";
import type { AffinityTermOptions } from "./affinity-options.js";
import { affinityTerm } from "./affinity-term.js";

/** Options of {@link structuralAffinityTerm}. */
export interface StructuralAffinityTermOptions extends AffinityTermOptions {
  /** Default: 1 with `pairing: 'code'`, as published; otherwise 0.25, of the same strength at two samples per half. */
  readonly weight?: number;
}

/**
 * Term: class vectors of the labelled half, pooled under the labels, agree with those of the unlabelled half, pooled
 * under the prediction, in the attention-gated skips of every scale. Gradients reach both halves and the prediction
 * unless switched off; 0 without unlabelled samples. Logs the norms of the vectors.
 *
 * @see Chen et al. (TAC), IEEE TMI 2023, structural view.
 */
export function structuralAffinityTerm(options: StructuralAffinityTermOptions = {}): Term {
  return affinityTerm(
    {
      where: "structuralAffinityTerm",
      name: "structural affinity",
      about: "class vectors of attention-gated skips agree between labelled and unlabelled images, at every scale",
      features: "gated",
      weight: 1,
    },
    options,
  );
}
