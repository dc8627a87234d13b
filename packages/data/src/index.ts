/** Medical volumes in and out, data sets, splits, samplers, transforms and phantoms. @packageDocumentation */
export type { ReadLimits } from "./bytes/limits.js";
export type * from "./datasets/dataset-config.js";
export { openDataset } from "./open-dataset.js";
export { generatePhantom, type Phantom } from "./phantom/generate-phantom.js";
export type { PhantomOptions } from "./phantom/phantom-options.js";
export { type RawCase, readCase } from "./read-case.js";
export { type ReadVolumeOptions, readVolume } from "./read-volume.js";
export { restrictDataset } from "./restrict-dataset.js";
export * from "./types.js";
export { type WriteVolumeOptions, writeVolume } from "./write-volume.js";
