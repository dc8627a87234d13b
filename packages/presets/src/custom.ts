import { type SemanticProxies, type SemanticProxiesOptions, semanticProxies } from "@semiseg/icl-proxies";
import { composeMethod, type Method, type TeacherConfig, type Term } from "@semiseg/method";
import { type Network, RandomStream } from "@semiseg/nn";
import { type SelfAwareConfidenceOptions, selfAwareConfidence } from "@semiseg/prototype-alignment";
import { type AttentionOptions, attendingAuxiliary, seedOf } from "./auxiliary-network.js";
import { type CustomTerm, customTerm } from "./custom-terms.js";
import { type NetworkChoice, networkOf } from "./network-of.js";
import { reseeded } from "./reseeded.js";

/** Options of {@link custom}. */
export interface CustomConfig {
  /** Default `custom`. */
  readonly title?: string;
  readonly network?: NetworkChoice;
  readonly teacher?: TeacherConfig;
  /**
   * A second network: one of its own, or options laid over the first one's, with another seed. `attention` makes it
   * CAML's: a trilinear decoder and cross-sample mutual attention.
   */
  readonly auxiliary?: Network | { readonly attention?: AttentionOptions; readonly [option: string]: unknown };
  /** DuCiSC's self-aware thresholds, shared by the terms that use them. */
  readonly confidence?: Omit<SelfAwareConfidenceOptions, "numClasses" | "numScales">;
  /** Options of ICL's proxy modules, shared by the terms that use them. */
  readonly proxies?: Omit<SemanticProxiesOptions, "network" | "random">;
  /** Terms by name, or terms of your own. */
  readonly terms: readonly (CustomTerm | Term)[];
}

function auxiliaryOf(network: NetworkChoice, student: Network, given: NonNullable<CustomConfig["auxiliary"]>): Network {
  if ("apply" in given) return given as Network;
  const { attention, ...over } = given as { readonly attention?: AttentionOptions };
  if (attention !== undefined)
    return attendingAuxiliary("custom", { ...network, ...over } as NetworkChoice, student, attention);
  return networkOf({ ...reseeded("custom", network), ...over } as NetworkChoice);
}

/**
 * A mix of terms from any of the papers, named with their options. What cannot work together is refused before the first
 * step, with one error that names both parts and the remedy.
 *
 * @throws OptionError for an unknown term or option; CompatibilityError as `composeMethod`.
 */
export function custom(config: CustomConfig): Method {
  const { title = "custom", network = {}, teacher, terms } = config;
  const student = networkOf(network);
  const auxiliary = config.auxiliary === undefined ? undefined : auxiliaryOf(network, student, config.auxiliary);
  let proxies: SemanticProxies | undefined;
  let confidence: ReturnType<typeof selfAwareConfidence> | undefined;
  const parts = {
    student,
    auxiliary,
    seed: seedOf(network),
    proxies: () => {
      const random = new RandomStream(seedOf(network)).fork("semantic proxies");
      proxies ??= semanticProxies({ ...config.proxies, network: student, random });
      return proxies;
    },
    confidence: () => {
      confidence ??= selfAwareConfidence({
        ...config.confidence,
        numClasses: student.provides.classes,
        numScales: Math.max(1, student.provides.scales.length),
      });
      return confidence;
    },
  };
  return composeMethod({
    name: title,
    student,
    ...(teacher ? { teacher } : {}),
    ...(auxiliary ? { auxiliary } : {}),
    terms: terms.map((given) => ("loss" in given ? given : customTerm(given, parts))),
  });
}
