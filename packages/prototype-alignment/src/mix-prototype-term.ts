import type { Term } from "@semiseg/method";
import { tidy } from "@tensorflow/tfjs-core";
import { checkSigma, type FusionOptions, fusedBatch } from "./fused-batch.js";
import { labeledPrototypes } from "./labeled-prototypes.js";
import { multiScalePrototypeLoss } from "./mean-over-scales.js";
import { maskedPrototypes } from "./region-prototypes.js";
import { finished, type PrototypeTermOptions } from "./term-options.js";
import { afterWarmUp } from "./warm-up.js";

/** Options of {@link mixPrototypeTerm}. */
export interface MixPrototypeTermOptions extends PrototypeTermOptions, FusionOptions {}

/**
 * Term: class prototypes of the labelled half agree with those of the fused images, masked by their soft targets, at
 * every scale. Gradients flow into both. Weight 0.1 after the warm-up.
 *
 * @see DuCiSC, IEEE TMI 2025, arXiv:2507.21440, equation 6.
 */
export function mixPrototypeTerm(options: MixPrototypeTermOptions = {}): Term {
  const { weight = 0.1, normalize = false } = options;
  checkSigma("mixPrototypeTerm", options);
  const name = "mix prototypes";
  return {
    name,
    needs: { features: ["scales"], teacher: true, unlabeled: true, equalHalves: true },
    about: "mean features per class agree between labelled and fused images, at every decoder scale",
    weight: afterWarmUp("mixPrototypeTerm", weight, options),
    loss: (context) =>
      tidy(() => {
        const { outputs, targets } = fusedBatch(context, options);
        const mixed = outputs.map(({ feature }, i) => maskedPrototypes(feature, targets[i]!));
        return finished(context, name, multiScalePrototypeLoss(labeledPrototypes(context), mixed), normalize);
      }),
  };
}
