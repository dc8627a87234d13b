/** UG-MCL, CAML, DuCiSC, ICL, TAC and their ancestors, composed from public terms. @packageDocumentation */
export * from "./ducisc.js";
export * from "./mean-teacher.js";
export * from "./network-of.js";
export * from "./supervised.js";
export * from "./supervised-term.js";
