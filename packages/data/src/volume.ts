/** Reading and writing volumes alone, without Node's file system at load time: for browsers. @packageDocumentation */
export type { ReadLimits } from "./bytes/limits.js";
export { encodeVolume, type WriteVolumeOptions } from "./encode-volume.js";
export { type ReadVolumeOptions, readVolume } from "./read-volume.js";
export type { DataType, TypedArray, Volume, VolumeMeta } from "./types.js";
export { writeVolume } from "./write-volume.js";
