/** UG-MCL, CAML, DuCiSC, ICL, TAC and their ancestors, composed from public terms. @packageDocumentation */
export * from "./caml.js";
export * from "./cross-pseudo-supervision.js";
export * from "./dtc.js";
export * from "./ducisc.js";
export * from "./mc-net.js";
export * from "./mean-teacher.js";
export * from "./network-of.js";
export * from "./supervised.js";
export * from "./supervised-term.js";
export * from "./ug-mcl.js";
