import type { Method } from "@semiseg/method";
import type { Module } from "@semiseg/nn";
import type { TermRead } from "./trace-terms.js";

/** A network or module of a method. */
export interface PartDescription {
  readonly name: string;
  readonly what: string;
  readonly parameters: number;
  /** What becomes of it when a volume is predicted. */
  readonly atTest: "kept" | "dropped";
}

/** A loss term of a method. */
export interface TermDescription {
  readonly name: string;
  readonly about: string;
  /** Weight by step. */
  readonly weights: Readonly<Record<number, number>>;
  /** Weight at 24 steps spread over the run. */
  readonly curve: readonly number[];
  readonly reads: readonly TermRead[];
}

/** A method in words and numbers. */
export interface MethodDescription {
  readonly name: string;
  readonly passes: "joint" | "separate";
  readonly parts: readonly PartDescription[];
  readonly terms: readonly TermDescription[];
}

const parameters = ({ variables }: Module): number =>
  variables.filter((v) => v.trainable).reduce((sum, { size }) => sum + size, 0);

/** Describes a composed method: its parts, its terms with their weights over time, and what is dropped at test time. */
export function describeMethod(
  method: Method,
  kind: string,
  maxSteps: number,
  reads: ReadonlyMap<string, readonly TermRead[]>,
): MethodDescription {
  const { student, teacher, auxiliary, terms } = method;
  const at = [0, 0.25, 0.5, 1].map((share) => Math.min(maxSteps - 1, Math.round(share * maxSteps)));
  const { heads } = student.provides;
  const extra = heads.length > 0 ? `; heads not used at test time: ${heads.join(", ")}` : "";
  const parts: PartDescription[] = [
    {
      name: "student",
      what: `${kind}, ${student.provides.spatialDims}-D${extra}`,
      parameters: parameters(student),
      atTest: "kept",
    },
  ];
  if (teacher) {
    const { decay, buffers, mode } = teacher.config;
    const what = `moving average of the student, decay ${decay}, buffers ${buffers}, mode ${mode}; no gradient`;
    parts.push({ name: "teacher", what, parameters: parameters(teacher.network), atTest: "dropped" });
  }
  if (auxiliary)
    parts.push({
      name: "auxiliary",
      what: "second network, trained beside the student",
      parameters: parameters(auxiliary),
      atTest: "dropped",
    });
  const seen = new Set<Module>();
  for (const term of terms)
    for (const [name, module] of Object.entries(term.modules ?? {})) {
      if (seen.has(module)) continue;
      seen.add(module);
      parts.push({
        name: `${term.name} / ${name}`,
        what: "module of a term",
        parameters: parameters(module),
        atTest: "dropped",
      });
    }
  return {
    name: method.name,
    passes: method.passes,
    parts,
    terms: terms.map((term) => ({
      name: term.name,
      about: term.about ?? "",
      weights: Object.fromEntries(at.map((step) => [step, term.weight(step, maxSteps)])),
      curve: Array.from({ length: 24 }, (_, i) => term.weight(Math.round(((maxSteps - 1) * i) / 23), maxSteps)),
      reads: reads.get(term.name) ?? [],
    })),
  };
}
