/** Schedules, EMA teachers, loss terms and composeMethod. @packageDocumentation */
export * from "./after-step.js";
export * from "./check-batch.js";
export * from "./compose-method.js";
export * from "./exponential-moving-average.js";
export * from "./method.js";
export * from "./method-gradients.js";
export * from "./schedules.js";
export * from "./step-context.js";
export * from "./teacher-distance.js";
export * from "./term.js";
export * from "./term-modules.js";
