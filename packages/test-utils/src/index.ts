/** Test helpers: engines, gradient checks, leak checks. @packageDocumentation */
export * from "./chromium.js";
export * from "./each-backend.js";
export * from "./gradient-check.js";
export * from "./no-leak.js";
