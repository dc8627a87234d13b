/** Semantic class proxies for inherent consistent learning (ICL). @packageDocumentation */
export * from "./icl-losses.js";
