/** Medical volumes in and out, data sets, splits, samplers, transforms and phantoms. @packageDocumentation */
export type { ReadLimits } from "./bytes/limits.js";
export { type ReadVolumeOptions, readVolume } from "./read-volume.js";
export * from "./types.js";
export { type WriteVolumeOptions, writeVolume } from "./write-volume.js";
