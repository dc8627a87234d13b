/** Reading and writing volumes alone, without Node's file system at load time: for browsers. @packageDocumentation */
export type { ReadLimits } from "./bytes/limits.js";
export { type ReadVolumeOptions, readVolume } from "./read-volume.js";
export type { DataType, TypedArray, Volume, VolumeMeta } from "./types.js";
export { type WriteVolumeOptions, writeVolume } from "./write-volume.js";
