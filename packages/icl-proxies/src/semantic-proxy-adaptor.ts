import { checkNumber, checkShape } from "@semiseg/errors";
import { type ApplyOptions, linear, type Module, moduleOf } from "@semiseg/nn";
import { mean, type Tensor, tidy, variable, zeros } from "@tensorflow/tfjs-core";
import { checkFeatures, type ProxyModulesConfig, proxyScales } from "./proxy-modules-config.js";
import { proxyScale } from "./proxy-scale.js";

/** Options of {@link semanticProxyAdaptor}. */
export interface SemanticProxyAdaptorConfig extends ProxyModulesConfig {
  /**
   * Standard deviation of the initial proxies. Default 0.02. The released code starts from 0, where layer norm multiplies
   * the first gradient by 316.
   */
  readonly proxyStd?: number;
}

/** What a proxy module gives; the caller owns the tensors. */
export interface ProxyMaps {
  /** Logits of each scale, `[B, ...s, K]`. */
  readonly maps: Tensor[];
  /** Class proxies of each scale, `[1, K, C]`. */
  readonly proxies: Tensor[];
}

/** SSPA; see {@link semanticProxyAdaptor}. */
export interface SemanticProxyAdaptor extends Module {
  /**
   * @param features - `[B, ...S, C]` of each scale.
   * @param proxies - `[1 or B, K, C]` of the first scale, in place of the learned ones.
   * @returns maps, and the proxies of each scale averaged over the batch.
   */
  apply(features: readonly Tensor[], proxies?: Tensor, options?: ApplyOptions): ProxyMaps;
}

/**
 * Supervised semantic proxy adaptor (SSPA) of ICL: one learned vector per class attends to a network's features, scale
 * after scale. Its scores before the softmax become a map per class; what it attends to becomes the proxy of the next
 * scale. Train time only.
 *
 * Variables `proxies` `[1, K, C]`, `scales.<i>.*`, `projections.<i>.*`.
 *
 * @throws OptionError for options out of range, and for token mixing that would take more memory than `memoryLimit`;
 * ShapeError for features that do not fit.
 * @see Zhu et al., "Inherent consistent learning" (ICL), MIDL 2023, PMLR 227, section on SSPA.
 */
export function semanticProxyAdaptor(config: SemanticProxyAdaptorConfig): SemanticProxyAdaptor {
  const where = "semanticProxyAdaptor";
  const { proxyStd = 0.02, numClasses, random } = config;
  checkNumber(where, "proxyStd", proxyStd, { min: 0 });
  const resolved = proxyScales(where, config);
  const first = [1, numClasses, resolved[0]!.channels];
  const start = tidy(() => variable(proxyStd === 0 ? zeros(first) : random.fork("proxies").normal(first, proxyStd)));
  const scales = resolved.map((scale) => proxyScale(scale, true));
  // The last scale's proxies go nowhere but to USCL.
  const projections = resolved
    .slice(1)
    .map(({ channels }, i) =>
      linear({ inFeatures: resolved[i]!.channels, outFeatures: channels, random: random.fork(`projection ${i}`) }),
    );
  const children: Record<string, Module> = {};
  for (const [i, scale] of scales.entries()) children[`scales.${i}`] = scale;
  for (const [i, projection] of projections.entries()) children[`projections.${i}`] = projection;
  return {
    ...moduleOf({ proxies: start, ...children }),
    apply: (features, proxies = start, options = {}) => {
      checkFeatures(where, features, resolved);
      checkShape(where, "proxies", proxies, [proxies.shape[0] === 1 ? 1 : features[0]!.shape[0]!, ...first.slice(1)]);
      return tidy(() => {
        const result: ProxyMaps = { maps: [], proxies: [] };
        let queries: Tensor = proxies;
        for (const [i, scale] of scales.entries()) {
          const { map, proxies: updated } = scale.apply(features[i]!, queries, streamOf(options, i));
          result.maps.push(map);
          result.proxies.push(mean(updated!, 0, true));
          if (i < projections.length) queries = projections[i]!.apply(updated!);
        }
        return result as ProxyMaps & Record<string, Tensor[]>;
      });
    },
  };
}

/** Options of the pass through one scale: random numbers of its own. */
export const streamOf = (options: ApplyOptions, scale: number): ApplyOptions =>
  options.random ? { ...options, random: options.random.fork(`scale ${scale}`) } : options;
