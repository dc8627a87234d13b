/** UG-MCL, CAML, DuCiSC, ICL, TAC and their ancestors, composed from public terms. @packageDocumentation */
export type { AttentionOptions } from "./auxiliary-network.js";
export * from "./caml.js";
export * from "./cross-pseudo-supervision.js";
export * from "./custom.js";
export { type CustomTerm, type CustomTermName, type CustomTermOptions, customTermNames } from "./custom-terms.js";
export * from "./dtc.js";
export * from "./ducisc.js";
export * from "./icl.js";
export * from "./mc-net.js";
export * from "./mean-teacher.js";
export * from "./network-of.js";
export * from "./supervised.js";
export * from "./supervised-term.js";
export * from "./tac.js";
export * from "./ug-mcl.js";
