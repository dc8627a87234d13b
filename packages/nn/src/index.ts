/** Layers, optimizers, random streams and state dicts for TensorFlow.js segmentation networks. @packageDocumentation */
export * from "./module.js";
export * from "./network.js";
export * from "./random-stream.js";
export * from "./stop-gradient.js";
export * from "./without-gradient.js";
