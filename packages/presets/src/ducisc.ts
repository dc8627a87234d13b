import { composeMethod, type Method, type TeacherConfig } from "@semiseg/method";
import {
  certainPseudoLabelTerm,
  deepSupervisedTerm,
  fusedImageTerm,
  mixPrototypeTerm,
  prototypeAlignmentTerm,
  type SelfAwareConfidenceOptions,
  selfAwareConfidence,
} from "@semiseg/prototype-alignment";
import { type NetworkChoice, networkOf } from "./network-of.js";

/** Options of {@link duCiSc}. */
export interface DuCiScConfig {
  /** A network with deep supervision, or options of one. */
  readonly network?: NetworkChoice;
  readonly teacher?: TeacherConfig;
  /** Steps on labelled images alone. Default: 2000 of 15000, in proportion to the length of the run. */
  readonly warmUpSteps?: number;
  /** Divide every loss by its own value, so that a loss counts by its relative change. Default true, as published. */
  readonly normalizeLosses?: boolean;
  /** Self-aware thresholds; `{ fixed: 0.5 }` for one that never moves. */
  readonly confidence?: Omit<SelfAwareConfidenceOptions, "numClasses" | "numScales" | "warmUpSteps">;
  /** Leave parts out, for ablations. Default: all true. */
  readonly prototypes?: boolean;
  readonly fusedImages?: boolean;
}

/**
 * DuCiSC (dual cross-image semantic consistency, IEEE TMI 2025, arXiv:2507.21440): pseudo-labels of an EMA teacher where
 * self-aware thresholds find them certain, fused images, and class prototypes aligned between labelled, unlabelled and
 * fused images, all at four decoder scales. One student pass per labelled, unlabelled and fused half.
 */
export function duCiSc(config: DuCiScConfig = {}): Method {
  const {
    network = {},
    teacher = {},
    warmUpSteps,
    normalizeLosses = true,
    prototypes = true,
    fusedImages = true,
  } = config;
  const student = networkOf("apply" in network ? network : { deepSupervision: true, ...network });
  const common = { normalize: normalizeLosses, ...(warmUpSteps === undefined ? {} : { warmUpSteps }) };
  const confidence = selfAwareConfidence({
    ...config.confidence,
    ...(warmUpSteps === undefined ? {} : { warmUpSteps }),
    numClasses: student.provides.classes,
    numScales: Math.max(1, student.provides.scales.length),
  });
  return composeMethod({
    name: "ducisc",
    student,
    teacher,
    terms: [
      deepSupervisedTerm({ normalize: normalizeLosses, passes: "separate" }),
      certainPseudoLabelTerm({ ...common, confidence }),
      ...(fusedImages ? [fusedImageTerm({ ...common, confidence })] : []),
      ...(prototypes ? [prototypeAlignmentTerm(common)] : []),
      ...(prototypes && fusedImages ? [mixPrototypeTerm(common)] : []),
    ],
  });
}
