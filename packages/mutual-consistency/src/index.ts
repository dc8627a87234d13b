/** Signed distance maps, intra-task, cross-task and mutual consistency (UG-MCL, DTC, MC-Net). @packageDocumentation */
export * from "./cross-task-consistency.js";
export * from "./distance-to-probability.js";
export * from "./intra-task-consistency.js";
export * from "./mutual-consistency-loss.js";
export * from "./signed-distance-map.js";
export * from "./teacher-consistency-term.js";
