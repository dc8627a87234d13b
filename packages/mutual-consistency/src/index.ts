/** Signed distance maps, intra-task, cross-task and mutual consistency (UG-MCL, DTC, MC-Net). @packageDocumentation */
export * from "./cross-pseudo-supervision-term.js";
export * from "./cross-task-consistency.js";
export * from "./cross-task-term.js";
export * from "./distance-map-term.js";
export * from "./distance-to-probability.js";
export * from "./intra-task-consistency.js";
export * from "./mutual-consistency-loss.js";
export * from "./mutual-consistency-term.js";
export * from "./reliable-teacher-voxels.js";
export * from "./signed-distance-map.js";
export * from "./signed-distances.js";
export * from "./teacher-consistency-term.js";
