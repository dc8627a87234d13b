import { checkNumber } from "@semiseg/errors";
import { sigmoidRampUp, type Term } from "@semiseg/method";
import { withoutGradient } from "@semiseg/nn";
import { mean, type Scalar, softmax, tidy } from "@tensorflow/tfjs-core";
import { crossTaskConsistency } from "./cross-task-consistency.js";
import {
  checkTeacherUncertainty,
  reliableTeacherVoxels,
  type TeacherUncertaintyOptions,
} from "./reliable-teacher-voxels.js";

/** Options of {@link crossTaskTerm}. */
export interface CrossTaskTermOptions {
  /** Final weight. Default 0.1. */
  readonly weight?: number;
  /** Steps over which the weight rises. Default: the whole run. */
  readonly rampLength?: number;
  /** Default 1500. */
  readonly steepness?: number;
  /** Count only voxels where the teacher is sure of itself. Default false. */
  readonly uncertainty?: boolean | TeacherUncertaintyOptions;
  /** Noise of the teacher's input; the same number as in the teacher's consistency shares its passes. Default 0.1. */
  readonly noiseStd?: number;
}

/**
 * Term: the distance map, turned into a mask, and the segmentation agree on the whole batch; gradients into both. With
 * `uncertainty`, only where the teacher is sure of itself.
 *
 * @see Zhang et al. (UG-MCL), arXiv:2112.02508, cross-task consistency; Luo et al. (DTC), AAAI 2021, equation 4.
 */
export function crossTaskTerm(options: CrossTaskTermOptions = {}): Term {
  const { weight = 0.1, rampLength, steepness = 1500, uncertainty = false, noiseStd = 0.1 } = options;
  const monteCarlo = typeof uncertainty === "object" ? uncertainty : {};
  checkNumber("crossTaskTerm", "weight", weight, { min: 0 });
  checkNumber("crossTaskTerm", "steepness", steepness, { above: 0 });
  checkNumber("crossTaskTerm", "noiseStd", noiseStd, { min: 0 });
  checkTeacherUncertainty("crossTaskTerm", monteCarlo);
  const name = "cross-task consistency";
  return {
    name,
    needs: { heads: ["distance"], ...(uncertainty ? { teacher: "dropout" as const } : {}) },
    about: "the mask that the distance map stands for agrees with the segmentation",
    weight: (step, maxSteps) => weight * sigmoidRampUp(step, rampLength ?? maxSteps),
    loss: (context) => {
      const { logits, heads } = context.student.all();
      return tidy(() => {
        const mask = uncertainty
          ? reliableTeacherVoxels(context, "all", context.image, { ...monteCarlo, noiseStd })
          : undefined;
        if (mask) context.log(`${name}/coverage`, withoutGradient(() => mean(mask)) as Scalar);
        const probs = context.share("student/probs/all", () => softmax(logits));
        return crossTaskConsistency({ distance: heads["distance"]!, probs, steepness, ...(mask ? { mask } : {}) });
      });
    },
  };
}
