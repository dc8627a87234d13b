import { checkNumber } from "@semiseg/errors";
import type { StepContext, TermState } from "@semiseg/method";
import { withoutGradient } from "@semiseg/nn";
import { ConfidenceThresholds, type ConfidenceThresholdsState } from "@semiseg/uncertainty";
import { concat, keep, type Tensor } from "@tensorflow/tfjs-core";
import { teacherTargets } from "./teacher-targets.js";
import { unlabeledProbabilities } from "./unlabeled-probabilities.js";
import { type WarmUpOptions, warmUpSteps } from "./warm-up.js";

/** Options of {@link selfAwareConfidence}. */
export interface SelfAwareConfidenceOptions extends WarmUpOptions {
  /** Background included. */
  readonly numClasses: number;
  /** Deep-supervision scales of the student. Default 4. */
  readonly numScales?: number;
  /** Share of the old threshold that is kept per step. Default 0.99. */
  readonly decay?: number;
  /** Smallest threshold. Default 1 / numClasses. */
  readonly floor?: number;
  /** Largest threshold. Default 0.95. */
  readonly ceiling?: number;
  /** One threshold for all classes and scales that never moves, in place of the self-aware ones (for ablations). */
  readonly fixed?: number;
}

/** Thresholds with what the terms that share them do in a step. */
export interface SelfAwareConfidence {
  readonly thresholds: ConfidenceThresholds;
  /** The certain voxels of the unlabelled half, one mask per scale, from the teacher's probabilities; shared in a step. */
  masks(context: StepContext): readonly Tensor[];
  /** Moves the thresholds, once a step whoever asks, after the warm-up; what `afterStep` of the terms returns. */
  adapt(context: StepContext): Promise<void>;
  /** For checkpoints. */
  readonly state: TermState;
}

/**
 * DuCiSC's self-aware confidence as the terms use it: the teacher's unlabelled voxels count where some class is above
 * its threshold, and after each step the thresholds move towards the student's own confidence. Give the same object to
 * every term of a method.
 *
 * @throws OptionError for options outside their ranges.
 * @see DuCiSC, IEEE TMI 2025, arXiv:2507.21440, self-aware confidence estimation.
 */
export function selfAwareConfidence(options: SelfAwareConfidenceOptions): SelfAwareConfidence {
  const { numClasses, numScales = 4, decay, floor, ceiling, fixed } = options;
  const thresholds = new ConfidenceThresholds({
    numClasses,
    numScales,
    ...(decay === undefined ? {} : { decay }),
    ...(floor === undefined ? {} : { floor }),
    ...(ceiling === undefined ? {} : { ceiling }),
  });
  if (fixed !== undefined) {
    checkNumber("selfAwareConfidence", "fixed", fixed, { min: 0, below: 1 });
    thresholds.state = { values: Array.from({ length: numScales }, () => Array<number>(numClasses).fill(fixed)) };
  }
  const adapted = new WeakSet<StepContext>();
  return {
    thresholds,
    masks: (context) =>
      context.share("certain voxels", () =>
        withoutGradient(() => teacherTargets(context).map(({ probs }, scale) => thresholds.certainMask(probs, scale))),
      ),
    adapt: async (context) => {
      if (fixed !== undefined || adapted.has(context) || context.step < warmUpSteps(context.maxSteps, options)) return;
      adapted.add(context);
      const targets = teacherTargets(context);
      const sums = keep(
        concat(
          unlabeledProbabilities(context).map((probs, scale) =>
            thresholds.measure(probs, targets[scale]!.labels, scale),
          ),
        ),
      );
      const values = await sums.data();
      sums.dispose();
      for (let scale = 0; scale < numScales; scale++)
        thresholds.move(values.subarray(scale * 2 * numClasses, (scale + 1) * 2 * numClasses), scale);
      for (const [scale, row] of thresholds.values.entries())
        for (const [c, value] of row.entries()) context.log(`confidence/scale${scale}/class${c}`, value);
    },
    state: {
      save: () => ({ json: thresholds.state }),
      load: ({ json }) => {
        thresholds.state = json as ConfidenceThresholdsState;
      },
    },
  };
}
