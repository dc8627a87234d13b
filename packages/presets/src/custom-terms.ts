import { type OmniCorrelationTermOptions, omniCorrelationTerm } from "@semiseg/correlation";
import { OptionError } from "@semiseg/errors";
import type { Term } from "@semiseg/method";
import {
  type CrossPseudoSupervisionTermOptions,
  type CrossTaskTermOptions,
  crossPseudoSupervisionTerm,
  crossTaskTerm,
  type DistanceMapTermOptions,
  distanceMapTerm,
  type MutualConsistencyTermOptions,
  mutualConsistencyTerm,
  type TeacherConsistencyOptions,
  teacherConsistencyTerm,
} from "@semiseg/mutual-consistency";
import { type Network, RandomStream } from "@semiseg/nn";
import {
  certainPseudoLabelTerm,
  type DeepSupervisedTermOptions,
  deepSupervisedTerm,
  type FusionOptions,
  fusedImageTerm,
  mixPrototypeTerm,
  type PrototypeTermOptions,
  prototypeAlignmentTerm,
  type SelfAwareConfidence,
} from "@semiseg/prototype-alignment";
import { type SupervisedTermOptions, supervisedTerm } from "./supervised-term.js";

/** What the terms of a mix are built around. */
export interface CustomParts {
  readonly student: Network;
  readonly auxiliary: Network | undefined;
  /** DuCiSC's thresholds, one object for all terms that ask. */
  readonly confidence: () => SelfAwareConfidence;
  /** Seed of the terms' own weights. */
  readonly seed: number;
}

/** Options of every term that can be named in a mix; what follows from the networks is not among them. */
export interface CustomTermOptions {
  readonly supervised: SupervisedTermOptions;
  readonly "teacher-consistency": TeacherConsistencyOptions;
  readonly "distance-map": DistanceMapTermOptions;
  readonly "cross-task": CrossTaskTermOptions;
  readonly "mutual-consistency": MutualConsistencyTermOptions;
  readonly "cross-pseudo-supervision": CrossPseudoSupervisionTermOptions;
  readonly "omni-correlation": Omit<
    OmniCorrelationTermOptions,
    "channels" | "auxiliaryChannels" | "numClasses" | "random"
  >;
  readonly "deep-supervised": DeepSupervisedTermOptions;
  readonly "certain-pseudo-labels": PrototypeTermOptions;
  readonly "fused-images": PrototypeTermOptions & FusionOptions;
  /** `confidence: true` takes prototypes of unlabelled images over certain voxels only. */
  readonly "prototype-alignment": PrototypeTermOptions & { readonly confidence?: boolean };
  readonly "mix-prototypes": PrototypeTermOptions & FusionOptions;
}

/** Name of a term in a mix. */
export type CustomTermName = keyof CustomTermOptions;

/** A term by name, with its options; `name` renames it, so that a term can be there twice. */
export type CustomTerm = {
  readonly [K in CustomTermName]: { readonly term: K; readonly name?: string } & CustomTermOptions[K];
}[CustomTermName];

type Factories = { readonly [K in CustomTermName]: (options: CustomTermOptions[K], parts: CustomParts) => Term };

const factories: Factories = {
  supervised: supervisedTerm,
  "teacher-consistency": teacherConsistencyTerm,
  "distance-map": distanceMapTerm,
  "cross-task": crossTaskTerm,
  "mutual-consistency": mutualConsistencyTerm,
  "cross-pseudo-supervision": crossPseudoSupervisionTerm,
  "omni-correlation": (options, { student, auxiliary, seed }) =>
    omniCorrelationTerm({
      ...options,
      channels: student.provides.embedding.channels,
      ...(auxiliary ? { auxiliaryChannels: auxiliary.provides.embedding.channels } : {}),
      numClasses: student.provides.classes,
      random: new RandomStream(seed).fork("omni correlation"),
    }),
  "deep-supervised": deepSupervisedTerm,
  "certain-pseudo-labels": (options, { confidence }) =>
    certainPseudoLabelTerm({ ...options, confidence: confidence() }),
  "fused-images": (options, { confidence }) => fusedImageTerm({ ...options, confidence: confidence() }),
  "prototype-alignment": ({ confidence: certain = false, ...options }, { confidence }) =>
    prototypeAlignmentTerm({ ...options, ...(certain ? { confidence: confidence() } : {}) }),
  "mix-prototypes": mixPrototypeTerm,
};

/** Names of the terms that {@link customTerm} builds. */
export const customTermNames = Object.keys(factories) as readonly CustomTermName[];

/** Builds a term by its name. Throws OptionError for a name that is none, and what the term's factory throws. */
export function customTerm(given: CustomTerm, parts: CustomParts): Term {
  const { term, ...options } = given;
  if (!Object.hasOwn(factories, term))
    throw new OptionError(`custom: term must be one of ${customTermNames.join(", ")}, received '${String(term)}'`);
  const built = (factories[term] as (options: object, parts: CustomParts) => Term)(options, parts);
  return given.name === undefined ? built : { ...built, name: given.name };
}
