import { CompatibilityError, checkChoice, checkNumber } from "@semiseg/errors";
import { sigmoidRampUp, type Term } from "@semiseg/method";
import { stopGradient, withoutGradient } from "@semiseg/nn";
import { clippedNoise } from "@semiseg/uncertainty";
import { add, mean, type Scalar, softmax, tidy } from "@tensorflow/tfjs-core";
import { intraTaskConsistency } from "./intra-task-consistency.js";
import {
  checkTeacherUncertainty,
  reliableTeacherVoxels,
  type TeacherUncertaintyOptions,
} from "./reliable-teacher-voxels.js";

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
  readonly uncertainty?: boolean | TeacherUncertaintyOptions;
  /** Noise on the teacher's input: clip(std * N(0,1), -2 std, 2 std). Default 0.1; 0 shows it the clean batch. */
  readonly noiseStd?: number;
}

/**
 * Term: the student must agree with its teacher, which sees a noisy copy of the batch. With `uncertainty`, only where the
 * teacher is sure of itself (UA-MT, UG-MCL); without, everywhere (mean teacher). Logs the share of voxels that count.
 */
export function teacherConsistencyTerm(options: TeacherConsistencyOptions = {}): Term {
  const { name = "intra-task consistency", weight = 0.1, on = "all", uncertainty = false, noiseStd = 0.1 } = options;
  const scale = options.scale ?? (uncertainty ? 0.5 : 1);
  const monteCarlo = typeof uncertainty === "object" ? uncertainty : {};
  checkTeacherUncertainty("teacherConsistencyTerm", monteCarlo);
  checkNumber("teacherConsistencyTerm", "weight", weight, { min: 0 });
  checkNumber("teacherConsistencyTerm", "noiseStd", noiseStd, { min: 0 });
  checkChoice("teacherConsistencyTerm", "on", on, ["all", "unlabeled"]);
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
      const student = context.share(`student/probs/${view}`, () => softmax(logits));
      return tidy(() => {
        const teacher = withoutGradient(() => softmax(target));
        if (!uncertainty) return intraTaskConsistency({ student, teacher, scale });
        const mask = reliableTeacherVoxels(context, view, image, { ...monteCarlo, noiseStd });
        context.log(`${name}/coverage`, withoutGradient(() => mean(mask)) as Scalar);
        return intraTaskConsistency({ student, teacher: stopGradient(teacher), mask, scale });
      });
    },
  };
}
