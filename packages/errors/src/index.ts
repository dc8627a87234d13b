/** Typed errors and argument checks shared by every SemiSeg package. @packageDocumentation */
export * from "./checks.js";
export * from "./semiseg-error.js";
