/** Class representations and task-affinity consistency (TAC). @packageDocumentation */
export { type AttentionGate, type AttentionGateOptions, attentionGate } from "@semiseg/backbones";
export type { Activation } from "./activate.js";
export type { AffinityTermOptions, GuideGate } from "./affinity-options.js";
export * from "./channel-dice-loss.js";
export * from "./channel-dice-term.js";
export {
  type ClassRepresentations,
  type ClassRepresentationsOptions,
  classRepresentations,
} from "./class-representations.js";
export * from "./contextual-affinity-term.js";
export type { Pairing, PooledClasses } from "./pooled-classes.js";
export * from "./structural-affinity-term.js";
export * from "./task-affinity-loss.js";
