import type { Term } from "@semiseg/method";
import { type Scalar, tidy } from "@tensorflow/tfjs-core";
import { certainPseudoLabelLoss } from "./certain-pseudo-label-loss.js";
import { meanOverCertainScales } from "./mean-over-scales.js";
import { scaleOutputs } from "./scale-outputs.js";
import type { SelfAwareConfidence } from "./self-aware-confidence.js";
import { teacherTargets } from "./teacher-targets.js";
import { finished, type PrototypeTermOptions } from "./term-options.js";
import { unlabeledProbabilities } from "./unlabeled-probabilities.js";
import { afterWarmUp } from "./warm-up.js";

/** Options of {@link certainPseudoLabelTerm}. */
export interface CertainPseudoLabelTermOptions extends PrototypeTermOptions {
  readonly confidence: SelfAwareConfidence;
}

/**
 * Term: `0.5 (cross-entropy + Dice)` of the unlabelled half against the teacher's pseudo-labels of the same scale, over
 * the certain voxels, averaged over the scales that have any. Weight 0.3 after the warm-up.
 *
 * @see DuCiSC, IEEE TMI 2025, arXiv:2507.21440, loss of certain pseudo-labels.
 */
export function certainPseudoLabelTerm(options: CertainPseudoLabelTermOptions): Term {
  const { confidence, weight = 0.3, normalize = false } = options;
  const name = "certain pseudo-labels";
  return {
    name,
    needs: { features: ["scales"], teacher: true, unlabeled: true },
    about: "unlabelled half against the teacher's pseudo-labels where a class is above its self-aware threshold",
    weight: afterWarmUp("certainPseudoLabelTerm", weight, options),
    loss: (context) =>
      tidy(() => {
        const targets = teacherTargets(context);
        const masks = confidence.masks(context);
        const outputs = scaleOutputs(context.student.network, context.student.unlabeled());
        const probs = unlabeledProbabilities(context);
        const losses = outputs.map(
          ({ logits }, i): Scalar =>
            certainPseudoLabelLoss({ logits, pseudoLabels: targets[i]!.labels, mask: masks[i]!, probs: probs[i]! }),
        );
        return finished(context, name, meanOverCertainScales(losses, masks), normalize);
      }),
    afterStep: (context) => confidence.adapt(context),
    state: confidence.state,
  };
}
