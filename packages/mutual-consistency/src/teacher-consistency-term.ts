import { CompatibilityError } from "@semiseg/errors";
import { type StepContext, sigmoidRampUp, type Term } from "@semiseg/method";
import { stopGradient, withoutGradient } from "@semiseg/nn";
import {
  clippedNoise,
  entropyThreshold,
  monteCarloProbabilities,
  predictiveEntropy,
  reliableMask,
} from "@semiseg/uncertainty";
import { add, dispose, mean, type Scalar, softmax, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { intraTaskConsistency } from "./intra-task-consistency.js";

/** Options of {@link teacherConsistencyTerm}. */
export interface TeacherConsistencyOptions {
  /** Default `intra-task consistency`. */
  readonly name?: string;
  /** Final weight. Default 0.1. */
  readonly weight?: number;
  /** Steps over which the weight rises. Default: the whole run. */
  readonly rampLength?: number;
  /** Samples compared: the whole batch or its unlabelled half. Default `all`. */
  readonly on?: "all" | "unlabeled";
  /** Factor inside the loss. Default 0.5 with uncertainty (UG-MCL), 1 without. */
  readonly scale?: number;
  /** Count only voxels whose Monte Carlo dropout entropy is below the rising threshold. Default false. */
  readonly uncertainty?: boolean | { readonly samples?: number; readonly samplesPerPass?: number };
  /** Noise on the teacher's input: clip(std * N(0,1), -2 std, 2 std). Default 0.1; 0 shows it the clean batch. */
  readonly noiseStd?: number;
}

/** Entropy of several stochastic teacher passes over an image, shared by the terms of a step. */
function entropyOf(
  context: StepContext,
  view: string,
  image: Tensor,
  samples: number,
  perPass: number,
  std: number,
): Tensor {
  return context.share(`teacher entropy/${view}/${samples}/${std}`, () =>
    withoutGradient(() => {
      const { network } = context.teacher;
      const random = context.random(`uncertainty/${view}`);
      const probs = monteCarloProbabilities(
        (x, pass) =>
          tidy(
            () =>
              network.apply(x, { training: true, updateBuffers: false, random: random.fork(`dropout/${pass}`) }).logits,
          ),
        image,
        { samples, samplesPerPass: perPass, noiseStd: std, noiseClip: 2 * std, random: random.fork("noise") },
      );
      const entropy = predictiveEntropy(probs);
      dispose(probs);
      return entropy;
    }),
  );
}

/**
 * Term: the student must agree with its teacher, which sees a noisy copy of the batch. With `uncertainty`, only where the
 * teacher is sure of itself (UA-MT, UG-MCL); without, everywhere (mean teacher). Logs the share of voxels that count.
 */
export function teacherConsistencyTerm(options: TeacherConsistencyOptions = {}): Term {
  const { name = "intra-task consistency", weight = 0.1, on = "all", uncertainty = false, noiseStd = 0.1 } = options;
  const scale = options.scale ?? (uncertainty ? 0.5 : 1);
  const { samples = 8, samplesPerPass = 2 } = typeof uncertainty === "object" ? uncertainty : {};
  return {
    name,
    needs: { teacher: uncertainty ? "dropout" : true, ...(on === "unlabeled" ? { unlabeled: true } : {}) },
    about: "student and EMA teacher agree (mean squared difference of probabilities)",
    weight: (step, maxSteps) => weight * sigmoidRampUp(step, options.rampLength ?? maxSteps),
    loss: (context) => {
      if (on === "unlabeled" && !context.unlabeled)
        throw new CompatibilityError(
          `${name}: the batch holds no unlabelled sample: use on: 'all' or give unlabelled cases`,
        );
      const view = on === "all" ? "all" : "unlabeled";
      const image = on === "all" ? context.image : context.unlabeled!.image;
      const noisy = context.share(`noisy/${view}/${noiseStd}`, () =>
        withoutGradient(() =>
          tidy(() =>
            add(
              image,
              noiseStd > 0 ? clippedNoise(context.random(`noise/${view}`), image.shape, noiseStd, 2 * noiseStd) : 0,
            ),
          ),
        ),
      );
      const target = context.teacher.on(`noisy/${view}`, noisy).logits;
      const logits = (on === "all" ? context.student.all() : context.student.unlabeled()).logits;
      return tidy(() => {
        const teacher = withoutGradient(() => softmax(target));
        if (!uncertainty) return intraTaskConsistency({ student: softmax(logits), teacher, scale });
        const entropy = entropyOf(context, view, image, samples, samplesPerPass, noiseStd);
        const mask = withoutGradient(() =>
          reliableMask(entropy, entropyThreshold(context.step, context.maxSteps, context.numClasses)),
        );
        context.log(`${name}/coverage`, withoutGradient(() => mean(mask)) as Scalar);
        return intraTaskConsistency({ student: softmax(logits), teacher: stopGradient(teacher), mask, scale });
      });
    },
  };
}
