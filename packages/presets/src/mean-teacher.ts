import { composeMethod, type Method, type TeacherConfig } from "@semiseg/method";
import { type TeacherConsistencyOptions, teacherConsistencyTerm } from "@semiseg/mutual-consistency";
import { type NetworkChoice, networkOf } from "./network-of.js";
import { supervisedTerm } from "./supervised-term.js";

/** Options of {@link meanTeacher} and {@link uaMt}. */
export interface MeanTeacherConfig {
  readonly network?: NetworkChoice;
  readonly teacher?: TeacherConfig;
  readonly consistency?: Omit<TeacherConsistencyOptions, "name" | "uncertainty">;
}

/**
 * Mean teacher (Tarvainen and Valpola, NeurIPS 2017): consistency with an EMA teacher that sees a noisy batch, weight
 * rising to 0.1.
 */
export function meanTeacher(config: MeanTeacherConfig = {}): Method {
  const { network, teacher = {}, consistency } = config;
  return composeMethod({
    name: "mean-teacher",
    student: networkOf(network),
    teacher,
    terms: [supervisedTerm(), teacherConsistencyTerm({ name: "consistency", ...consistency })],
  });
}

/**
 * Uncertainty-aware mean teacher (UA-MT: Yu et al., MICCAI 2019): consistency of the unlabelled half where the teacher's
 * Monte Carlo dropout entropy is low.
 */
export function uaMt(config: MeanTeacherConfig = {}): Method {
  const { network, teacher = {}, consistency } = config;
  return composeMethod({
    name: "ua-mt",
    student: networkOf(network),
    teacher,
    terms: [
      supervisedTerm(),
      teacherConsistencyTerm({ name: "consistency", on: "unlabeled", scale: 1, ...consistency, uncertainty: true }),
    ],
  });
}
