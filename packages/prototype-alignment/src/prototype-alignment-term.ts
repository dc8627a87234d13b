import { onehotOf } from "@semiseg/losses";
import type { Term } from "@semiseg/method";
import { expandDims, mul, tidy } from "@tensorflow/tfjs-core";
import { labeledPrototypes } from "./labeled-prototypes.js";
import { multiScalePrototypeLoss } from "./mean-over-scales.js";
import { maskedPrototypes } from "./region-prototypes.js";
import { scaleOutputs } from "./scale-outputs.js";
import type { SelfAwareConfidence } from "./self-aware-confidence.js";
import { teacherTargets } from "./teacher-targets.js";
import { finished, type PrototypeTermOptions } from "./term-options.js";
import { afterWarmUp } from "./warm-up.js";

/** Options of {@link prototypeAlignmentTerm}. */
export interface PrototypeAlignmentTermOptions extends PrototypeTermOptions {
  /** Take unlabelled prototypes over certain voxels only. Default: over all of them, as the published code. */
  readonly confidence?: SelfAwareConfidence;
}

/**
 * Term: class prototypes of the labelled half agree with those of the unlabelled half, masked by the teacher's
 * pseudo-labels, at every scale. Gradients flow into both. Weight 0.1 after the warm-up.
 *
 * @see DuCiSC, IEEE TMI 2025, arXiv:2507.21440, equation 5.
 */
export function prototypeAlignmentTerm(options: PrototypeAlignmentTermOptions = {}): Term {
  const { weight = 0.1, normalize = false, confidence } = options;
  const name = "prototype alignment";
  return {
    name,
    needs: { features: ["scales"], teacher: true, unlabeled: true },
    about: "mean features per class agree between labelled and unlabelled images, at every decoder scale",
    weight: afterWarmUp("prototypeAlignmentTerm", weight, options),
    loss: (context) =>
      tidy(() => {
        const targets = teacherTargets(context);
        const certain = confidence?.masks(context);
        const outputs = scaleOutputs(context.student.network, context.student.unlabeled());
        const unlabeled = outputs.map(({ feature }, i) => {
          const masks = onehotOf(targets[i]!.labels, context.numClasses);
          return maskedPrototypes(feature, certain ? mul(masks, expandDims(certain[i]!, -1)) : masks);
        });
        const loss = multiScalePrototypeLoss(labeledPrototypes(context), unlabeled);
        return finished(context, name, loss, normalize);
      }),
    ...(confidence ? { afterStep: (context) => confidence.adapt(context), state: confidence.state } : {}),
  };
}
