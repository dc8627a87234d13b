import { type OmniCorrelationTermOptions, omniCorrelationTerm } from "@semiseg/correlation";
import { OptionError } from "@semiseg/errors";
import {
  type ProxySupervisionTermOptions,
  type ProxyTermOptions,
  predictionConsistencyTerm,
  proxyConsistencyTerm,
  proxySupervisionTerm,
  type SemanticProxies,
} from "@semiseg/icl-proxies";
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
  reliableTeacherVoxels,
  type TeacherConsistencyOptions,
  type TeacherUncertaintyOptions,
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
import {
  type AffinityTermOptions,
  type ChannelDiceTermOptions,
  channelDiceTerm,
  contextualAffinityTerm,
  structuralAffinityTerm,
} from "@semiseg/task-affinity";
import { type SupervisedTermOptions, supervisedTerm } from "./supervised-term.js";

/** What the terms of a mix are built around. */
export interface CustomParts {
  readonly student: Network;
  readonly auxiliary: Network | undefined;
  /** DuCiSC's thresholds, one object for all terms that ask. */
  readonly confidence: () => SelfAwareConfidence;
  /** ICL's modules, one pair for all terms that ask. */
  readonly proxies: () => SemanticProxies;
  /** Seed of the terms' own weights. */
  readonly seed: number;
}

/** Options of an affinity term in a mix. */
export interface CustomAffinityOptions extends Omit<AffinityTermOptions, "gate"> {
  /**
   * Unlabelled voxels count in the guide where the teacher's Monte Carlo dropout entropy is low (UG-MCL's gate on TAC's
   * guides). Default false.
   */
  readonly uncertainty?: boolean | (TeacherUncertaintyOptions & { readonly noiseStd?: number });
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
  readonly "proxy-supervision": Omit<ProxySupervisionTermOptions, "proxies">;
  readonly "prediction-consistency": Omit<ProxyTermOptions, "proxies">;
  readonly "proxy-consistency": Omit<ProxyTermOptions, "proxies">;
  readonly "channel-dice": ChannelDiceTermOptions;
  readonly "structural-affinity": CustomAffinityOptions;
  readonly "contextual-affinity": CustomAffinityOptions;
}

/** Name of a term in a mix. */
export type CustomTermName = keyof CustomTermOptions;

/** A term by name, with its options; `name` renames it, so that a term can be there twice. */
export type CustomTerm = {
  readonly [K in CustomTermName]: { readonly term: K; readonly name?: string } & CustomTermOptions[K];
}[CustomTermName];

/** An affinity term whose guide is gated by the teacher's uncertainty. */
function gatedAffinity(
  term: (options: AffinityTermOptions) => Term,
  { uncertainty = false, ...options }: CustomAffinityOptions,
): Term {
  if (uncertainty === false) return term(options);
  const { noiseStd = 0.1, ...monteCarlo } = uncertainty === true ? {} : uncertainty;
  const built = term({
    ...options,
    gate: {
      name: `teacher/${JSON.stringify({ noiseStd, ...monteCarlo })}`,
      mask: (context) =>
        reliableTeacherVoxels(context, "unlabeled", context.unlabeled!.image, { ...monteCarlo, noiseStd }),
    },
  });
  return { ...built, needs: { ...built.needs, teacher: "dropout" } };
}

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
  "proxy-supervision": (options, { proxies }) => proxySupervisionTerm({ ...options, proxies: proxies() }),
  "prediction-consistency": (options, { proxies }) => predictionConsistencyTerm({ ...options, proxies: proxies() }),
  "proxy-consistency": (options, { proxies }) => proxyConsistencyTerm({ ...options, proxies: proxies() }),
  "channel-dice": channelDiceTerm,
  "structural-affinity": (options) => gatedAffinity(structuralAffinityTerm, options),
  "contextual-affinity": (options) => gatedAffinity(contextualAffinityTerm, options),
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
