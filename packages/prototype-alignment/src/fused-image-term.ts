import type { Term } from "@semiseg/method";
import { tidy } from "@tensorflow/tfjs-core";
import { checkSigma, type FusionOptions, fusedBatch } from "./fused-batch.js";
import { fusedImageLoss } from "./fused-image-loss.js";
import { meanOverCertainScales } from "./mean-over-scales.js";
import type { SelfAwareConfidence } from "./self-aware-confidence.js";
import { finished, type PrototypeTermOptions } from "./term-options.js";
import { afterWarmUp } from "./warm-up.js";

/** Options of {@link fusedImageTerm}. */
export interface FusedImageTermOptions extends PrototypeTermOptions, FusionOptions {
  readonly confidence: SelfAwareConfidence;
}

/**
 * Term: the student on fused images against their soft targets (`0.5 (divergence + Dice)`), over the certain voxels of
 * the unlabelled image, averaged over the scales that have any. Weight 0.1 after the warm-up.
 *
 * @see DuCiSC, IEEE TMI 2025, arXiv:2507.21440, loss of fused images.
 */
export function fusedImageTerm(options: FusedImageTermOptions): Term {
  const { confidence, weight = 0.1, normalize = false } = options;
  checkSigma("fusedImageTerm", options);
  const name = "fused images";
  return {
    name,
    needs: { features: ["scales"], teacher: true, unlabeled: true, equalHalves: true },
    about: "convex mixes of a labelled and an unlabelled image against their mixed labels",
    weight: afterWarmUp("fusedImageTerm", weight, options),
    loss: (context) =>
      tidy(() => {
        const masks = confidence.masks(context);
        const { outputs, targets } = fusedBatch(context, options);
        const losses = outputs.map(({ logits }, i) => fusedImageLoss({ logits, target: targets[i]!, mask: masks[i]! }));
        return finished(context, name, meanOverCertainScales(losses, masks), normalize);
      }),
    afterStep: (context) => confidence.adapt(context),
    state: confidence.state,
  };
}
