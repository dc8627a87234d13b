import { checkShape, ShapeError } from "@semiseg/errors";
import { type ApplyOptions, type Module, moduleOf } from "@semiseg/nn";
import { clone, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { checkFeatures, type ProxyModulesConfig, proxyScales } from "./proxy-modules-config.js";
import { proxyScale } from "./proxy-scale.js";
import { type ProxyMaps, streamOf } from "./semantic-proxy-adaptor.js";

/** USCL; see {@link semanticConsistentLearner}. */
export interface SemanticConsistentLearner extends Module {
  /**
   * @param features - `[B, ...S, C]` of each scale.
   * @param proxies - `[1 or B, K, C]` of each scale: what SSPA gives for labelled images.
   * @returns maps, and the proxies as they came.
   */
  apply(features: readonly Tensor[], proxies: readonly Tensor[], options?: ApplyOptions): ProxyMaps;
}

/**
 * Unsupervised semantic consistent learner (USCL) of ICL: SSPA's twin with weights of its own, which asks the features of
 * unlabelled images with the class proxies of the labelled ones, each scale by itself. It only looks at scores, so it has
 * no values and no proxies of its own. Train time only.
 *
 * Variables `scales.<i>.*`.
 *
 * @throws OptionError and ShapeError as `semanticProxyAdaptor`.
 * @see Zhu et al., "Inherent consistent learning" (ICL), MIDL 2023, PMLR 227, section on USCL.
 */
export function semanticConsistentLearner(config: ProxyModulesConfig): SemanticConsistentLearner {
  const where = "semanticConsistentLearner";
  const resolved = proxyScales(where, config);
  const scales = resolved.map((scale) => proxyScale(scale, false));
  return {
    ...moduleOf(Object.fromEntries(scales.map((scale, i) => [`scales.${i}`, scale]))),
    apply: (features, proxies, options = {}) => {
      checkFeatures(where, features, resolved);
      if (proxies.length !== resolved.length)
        throw new ShapeError(
          `${where}: proxies must be ${resolved.length} tensors, one per scale, received ${proxies.length}`,
        );
      for (const [i, { numClasses, channels }] of resolved.entries())
        checkShape(where, `proxies[${i}]`, proxies[i]!, [
          proxies[i]!.shape[0] === 1 ? 1 : features[0]!.shape[0]!,
          numClasses,
          channels,
        ]);
      return tidy(() => {
        const maps = scales.map((scale, i) => scale.apply(features[i]!, proxies[i]!, streamOf(options, i)).map);
        const result: ProxyMaps = { maps, proxies: proxies.map((proxy) => clone(proxy)) };
        return result as ProxyMaps & Record<string, Tensor[]>;
      });
    },
  };
}
