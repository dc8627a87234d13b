import { CompatibilityError, checkChoice, checkNumber, OptionError } from "@semiseg/errors";
import { type Module, moduleOf, type Network } from "@semiseg/nn";
import { checkNeeds } from "./check-needs.js";
import type { Method, TeacherConfig } from "./method.js";
import type { Term } from "./term.js";
import { termModules } from "./term-modules.js";

/** What {@link composeMethod} takes. */
export interface MethodConfig {
  readonly name: string;
  readonly student: Network;
  /** An exponential-moving-average copy of the student. */
  readonly teacher?: TeacherConfig;
  /** A second network, trained beside the student and dropped at test time. */
  readonly auxiliary?: Network;
  readonly terms: readonly Term[];
}

/**
 * Joins networks and loss terms into a method and checks that they fit before any step is made.
 *
 * @throws CompatibilityError naming the two parts that do not fit and the remedy; OptionError for a bad teacher option.
 */
export function composeMethod(config: MethodConfig): Method {
  const { name, student, teacher, auxiliary, terms } = config;
  if (terms.length === 0)
    throw new CompatibilityError(`${name}: there are no terms, so nothing could be learned: add one`);
  if (student.provides.classes < 2)
    throw new CompatibilityError(
      `${name}: the term '${terms[0]!.name}' takes a softmax, but the student has ${student.provides.classes} output class, over which a softmax is constant: use outChannels: 2 (background and foreground)`,
    );
  const names = new Set<string>();
  for (const term of terms) {
    if (names.has(term.name)) throw new CompatibilityError(`${name}: two terms are called '${term.name}': rename one`);
    names.add(term.name);
    checkNeeds(term, { name, student, teacher, auxiliary });
  }
  if (auxiliary) checkAuxiliary(name, student, auxiliary);
  const separate = terms.find(({ needs }) => needs.passes === "separate");
  const joint = terms.find(({ needs }) => needs.passes === "joint");
  if (separate && joint)
    throw new CompatibilityError(
      `${name}: the term '${separate.name}' needs one pass per half of the batch, '${joint.name}' one pass over all of it: use only one of them, or an option of theirs that allows the other`,
    );
  const parts: Record<string, Module | undefined> = { student, auxiliary };
  for (const { term, name: key, module } of termModules(terms)) parts[`terms.${term}.${key}`] = module;
  const trainable = moduleOf(parts);
  const built = teacher ? { network: student.clone(), config: teacherConfig(name, teacher) } : null;
  return {
    name,
    student,
    teacher: built,
    auxiliary: auxiliary ?? null,
    terms,
    passes: separate ? "separate" : "joint",
    trainable,
    dispose: () => {
      trainable.dispose();
      built?.network.dispose();
    },
  };
}

/** Student and auxiliary network must be two, and read and say the same kind of thing. */
function checkAuxiliary(name: string, student: Network, auxiliary: Network): void {
  if (auxiliary === student)
    throw new CompatibilityError(
      `${name}: the auxiliary network is the student itself, so they could never disagree: build a second network with another seed`,
    );
  const [a, s] = [auxiliary.provides, student.provides];
  for (const [what, of, own, remedy] of [
    ["spatial axes", a.spatialDims, s.spatialDims, "spatialDims"],
    ["input channels", a.inChannels, s.inChannels, "inChannels"],
    ["classes", a.classes, s.classes, "outChannels"],
  ] as const)
    if (of !== own)
      throw new CompatibilityError(
        `${name}: the auxiliary network has ${of} ${what}, the student ${own}: build both with the same ${remedy}`,
      );
}

function teacherConfig(name: string, teacher: TeacherConfig): Required<TeacherConfig> {
  const { decay = 0.99, buffers = "copy", mode = "train" } = teacher;
  checkNumber(name, "teacher.decay", decay, { min: 0, max: 1 });
  checkChoice(name, "teacher.buffers", buffers, ["copy", "ema", "own"]);
  checkChoice(name, "teacher.mode", mode, ["train", "eval"]);
  if (decay === 1) throw new OptionError(`${name}: teacher.decay 1 would never move the teacher: use a value below 1`);
  return { decay, buffers, mode };
}
