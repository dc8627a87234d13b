import { OptionError } from "@semiseg/errors";
import type { StepContext } from "@semiseg/method";
import { type FeatureSpec, type Network, type NetworkOutput, withoutGradient } from "@semiseg/nn";
import type { Tensor } from "@tensorflow/tfjs-core";
import type { TokenMixing } from "./proxy-modules-config.js";
import { type SemanticConsistentLearner, semanticConsistentLearner } from "./semantic-consistent-learner.js";
import {
  type ProxyMaps,
  type SemanticProxyAdaptor,
  type SemanticProxyAdaptorConfig,
  semanticProxyAdaptor,
} from "./semantic-proxy-adaptor.js";

/** Options of {@link semanticProxies}. */
export interface SemanticProxiesOptions
  extends Omit<SemanticProxyAdaptorConfig, "spatialDims" | "numClasses" | "channels" | "sizes"> {
  /** The network whose features are read; the modules are built to fit it. */
  readonly network: Network;
  /**
   * Names of its features, coarse to fine. Default, as published: in 2-D the first three decoder stages, in 3-D the
   * deepest encoder stage and the first two decoder stages.
   */
  readonly features?: readonly string[];
  /** Spatial size of training images; needed by `tokenMixing: 'full'` alone. */
  readonly patchSize?: readonly number[];
}

/** The two modules of ICL and what they see in a step; see {@link semanticProxies}. */
export interface SemanticProxies {
  readonly modules: { readonly adaptor: SemanticProxyAdaptor; readonly learner: SemanticConsistentLearner };
  readonly spatialDims: 2 | 3;
  /** The features that are read, coarse to fine. */
  readonly features: readonly FeatureSpec[];
  /** How tokens are mixed. */
  readonly tokenMixing: TokenMixing;
  /** SSPA on the labelled half: maps and mean proxies. */
  labeled(context: StepContext): ProxyMaps;
  /** SSPA's maps on the unlabelled half, constants. */
  targets(context: StepContext): readonly Tensor[];
  /** USCL's maps on the unlabelled half, asked for with the labelled half's proxies. */
  consistent(context: StepContext): readonly Tensor[];
}

function featuresOf({ provides }: Network, names: readonly string[] | undefined): readonly FeatureSpec[] {
  const { encoder, decoder, spatialDims } = provides;
  if (names === undefined)
    return spatialDims === 2 ? decoder.slice(0, 3) : [...encoder.slice(-1), ...decoder.slice(0, 2)];
  const known = new Map([...encoder, ...decoder].map((spec) => [spec.name, spec]));
  return names.map((name) => {
    const spec = known.get(name);
    if (!spec)
      throw new OptionError(
        `semanticProxies: features must be among ${[...known.keys()].join(", ")}, received '${name}'`,
      );
    return spec;
  });
}

/**
 * ICL's two modules, built for a network, and their passes in a step, each run once and shared by the terms that work on
 * them. Passes of the two halves are separate, so that labelled values never depend on unlabelled images.
 *
 * @throws OptionError for options out of range, and for token mixing that would take more than `memoryLimit`.
 * @see Zhu et al., "Inherent consistent learning" (ICL), MIDL 2023, PMLR 227.
 */
export function semanticProxies(options: SemanticProxiesOptions): SemanticProxies {
  const { network, features: names, patchSize, random, ...rest } = options;
  const { spatialDims, classes } = network.provides;
  const features = featuresOf(network, names);
  const sizes = patchSize && features.map(({ stride }) => patchSize.map((n) => Math.floor(n / stride)));
  const config = {
    ...rest,
    spatialDims,
    numClasses: classes,
    channels: features.map(({ channels }) => channels),
    ...(sizes ? { sizes } : {}),
  };
  const adaptor = semanticProxyAdaptor({ ...config, random: random.fork("adaptor") });
  const learner = semanticConsistentLearner({ ...config, random: random.fork("learner") });
  const read = (output: NetworkOutput): Tensor[] => features.map(({ name }) => output.features[name]!);
  // A second backward pass through the same step must not move running statistics again.
  const visited = new WeakMap<StepContext, Set<string>>();
  const training = (context: StepContext, pass: string) => {
    const passes = visited.get(context) ?? new Set();
    visited.set(context, passes);
    const updateBuffers = !passes.has(pass);
    passes.add(pass);
    return { training: true, updateBuffers, random: context.random(`proxies/${pass}`) };
  };
  const once = <T>(context: StepContext, pass: string, run: () => T): T => context.share(`proxies/${pass}`, run);

  const proxies: SemanticProxies = {
    modules: { adaptor, learner },
    spatialDims,
    features,
    tokenMixing: options.tokenMixing ?? "lowRank",
    labeled: (context) =>
      once(context, "labeled", () =>
        adaptor.apply(read(context.student.labeled()), undefined, training(context, "labeled")),
      ),
    targets: (context) => {
      const inputs = read(context.student.unlabeled());
      return once(context, "targets", () =>
        withoutGradient(() => adaptor.apply(inputs, undefined, training(context, "targets")).maps),
      );
    },
    consistent: (context) => {
      const found = proxies.labeled(context).proxies;
      return once(
        context,
        "consistent",
        () => learner.apply(read(context.student.unlabeled()), found, training(context, "consistent")).maps,
      );
    },
  };
  return proxies;
}
