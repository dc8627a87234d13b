/** Signed distance maps, intra-task, cross-task and mutual consistency (UG-MCL, DTC, MC-Net). @packageDocumentation */
export * from "./intra-task-consistency.js";
export * from "./teacher-consistency-term.js";
