/** Medical volumes in and out, data sets, splits, samplers, transforms and phantoms. @packageDocumentation */
export * from "./types.js";
