/** Schedules, EMA teachers, loss terms and composeMethod. @packageDocumentation */
export * from "./method.js";
export * from "./term.js";
