import { composeMethod, type Method, type TeacherConfig } from "@semiseg/method";
import {
  type CrossTaskTermOptions,
  crossTaskTerm,
  type DistanceMapTermOptions,
  distanceMapTerm,
  type TeacherConsistencyOptions,
  type TeacherUncertaintyOptions,
  teacherConsistencyTerm,
} from "@semiseg/mutual-consistency";
import { type NetworkChoice, networkOf } from "./network-of.js";
import { supervisedTerm } from "./supervised-term.js";

/** Options of {@link ugMcl}. */
export interface UgMclConfig {
  /** A network with a distance head, or options of one. */
  readonly network?: NetworkChoice;
  readonly teacher?: TeacherConfig;
  /** Monte Carlo dropout of the teacher, for both consistencies. */
  readonly uncertainty?: TeacherUncertaintyOptions;
  readonly intraTask?: Omit<TeacherConsistencyOptions, "name" | "uncertainty">;
  readonly crossTask?: Omit<CrossTaskTermOptions, "uncertainty">;
  /** Guide the cross-task consistency by the teacher's uncertainty too. Default true. */
  readonly maskCrossTask?: boolean;
  readonly distance?: DistanceMapTermOptions;
}

/**
 * UG-MCL (uncertainty-guided mutual consistency learning, Zhang et al., arXiv:2112.02508): a segmentation and a signed
 * distance head; consistency with an EMA teacher (intra-task) and between the two heads (cross-task), where Monte Carlo
 * dropout finds the teacher sure.
 */
export function ugMcl(config: UgMclConfig = {}): Method {
  const { network = {}, teacher = {}, uncertainty = {}, intraTask, crossTask, maskCrossTask = true, distance } = config;
  return composeMethod({
    name: "ug-mcl",
    student: networkOf("apply" in network ? network : { heads: ["distance"], ...network }),
    teacher,
    terms: [
      supervisedTerm(),
      distanceMapTerm(distance),
      teacherConsistencyTerm({ ...intraTask, name: "intra-task consistency", uncertainty }),
      crossTaskTerm({ ...crossTask, ...(maskCrossTask ? { uncertainty } : {}) }),
    ],
  });
}
