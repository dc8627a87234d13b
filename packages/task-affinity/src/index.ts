/** Class representations and task-affinity consistency (TAC). @packageDocumentation */
export * from "./class-representations.js";
export * from "./task-affinity-loss.js";
