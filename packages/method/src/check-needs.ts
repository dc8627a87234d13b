import { CompatibilityError } from "@semiseg/errors";
import type { Network } from "@semiseg/nn";
import type { TeacherConfig } from "./method.js";
import type { Term } from "./term.js";

/** The parts that a term's needs are checked against. */
export interface Parts {
  readonly name: string;
  readonly student: Network;
  readonly teacher: TeacherConfig | undefined;
  readonly auxiliary: Network | undefined;
}

/** The option that gives a backbone a head. */
function headOption(head: string): string {
  if (head.startsWith("decoder")) return "several decoders, decoders: ['transposed', 'trilinear']";
  if (head.startsWith("scale")) return "deepSupervision: true";
  return `heads: ['${head}']`;
}

/** Throws CompatibilityError naming the term, the part that lacks something, and the remedy. */
export function checkNeeds(term: Term, { name, student, teacher, auxiliary }: Parts): void {
  const { needs } = term;
  const { provides } = student;
  const fail = (part: string, lack: string, remedy: string): never => {
    throw new CompatibilityError(
      `${name}: the term '${term.name}' needs ${lack}, which the ${part} does not have: ${remedy}`,
    );
  };
  const groups = {
    encoder: provides.encoder.length,
    decoder: provides.decoder.length,
    gated: provides.gated.length,
    scales: provides.scales.length,
    embedding: 1,
  };
  const remedies = {
    encoder: "use a backbone that exposes encoder features",
    decoder: "use a backbone that exposes decoder features",
    gated: "build the backbone with attentionGates: true",
    scales: "build the backbone with deepSupervision: true",
    embedding: "use a backbone with an embedding",
  };
  for (const group of needs.features ?? [])
    if (groups[group] === 0) fail("student", `${group} features`, remedies[group]);
  if (needs.scales !== undefined && provides.scales.length < needs.scales)
    fail("student", `${needs.scales} deep-supervision scales (it has ${provides.scales.length})`, remedies.scales);
  for (const head of needs.heads ?? [])
    if (!provides.heads.includes(head))
      fail(
        "student",
        `a '${head}' head`,
        `build the backbone with ${headOption(head)} (it has: ${provides.heads.join(", ") || "none"})`,
      );
  if (needs.teacher && !teacher)
    fail("method", "a teacher", "pass teacher: { decay: 0.99 } to composeMethod, or set method.teacher");
  if (needs.teacher && teacher?.decay === 0)
    throw new CompatibilityError(
      `${name}: the term '${term.name}' needs a teacher that lags behind the student, but teacher.decay 0 makes it a copy after every step, as if there were no moving average: set teacher.decay to 0.99, or leave the term out`,
    );
  if (needs.teacher === "dropout") {
    if (!provides.dropout) fail("teacher", "dropout layers", "build the backbone with a dropout rate above 0");
    if (teacher?.mode === "eval") fail("teacher", "dropout that is on", "set teacher.mode to 'train'");
  }
  if (needs.dropout && !provides.dropout)
    fail("student", "dropout layers", "build the backbone with a dropout rate above 0");
  if (needs.auxiliary && !auxiliary)
    fail(
      "method",
      "an auxiliary network",
      "pass auxiliary: a second network to composeMethod, or set method.auxiliary",
    );
  const { min = 2, max = Number.POSITIVE_INFINITY } = needs.classes ?? {};
  if (provides.classes < min)
    fail(
      "student",
      `at least ${min} classes (it has ${provides.classes})`,
      "give background a class of its own: outChannels counts it",
    );
  if (provides.classes > max)
    fail("student", `at most ${max} classes (it has ${provides.classes})`, "use the multi-class form of the term");
  for (const [role, network] of [
    ["student", student],
    ["auxiliary", auxiliary],
  ] as const) {
    const wanted = needs.embeddingChannels?.[role];
    const own = network?.provides.embedding.channels;
    if (wanted !== undefined && own !== undefined && wanted !== own)
      fail(
        `${role} network`,
        `an embedding of ${wanted} channels (it has ${own})`,
        "build the term with that network's provides.embedding.channels",
      );
  }
  if (needs.spatialDims && !needs.spatialDims.includes(provides.spatialDims))
    fail(
      "student",
      `${needs.spatialDims.join("-D or ")}-D data (it is ${provides.spatialDims}-D)`,
      "choose another backbone or term",
    );
}
