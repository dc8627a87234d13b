/** Semantic class proxies for inherent consistent learning (ICL). @packageDocumentation */
export * from "./icl-losses.js";
export * from "./proxy-attention.js";
export type { ProxyModulesConfig, TokenMixing } from "./proxy-modules-config.js";
export * from "./proxy-parameter-count.js";
export * from "./proxy-terms.js";
export * from "./semantic-consistent-learner.js";
export * from "./semantic-proxies.js";
export {
  type ProxyMaps,
  type SemanticProxyAdaptor,
  type SemanticProxyAdaptorConfig,
  semanticProxyAdaptor,
} from "./semantic-proxy-adaptor.js";
export * from "./token-mixing-memory.js";
