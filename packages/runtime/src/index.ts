/** Picks and readies the fastest TensorFlow.js engine: native TensorFlow without a download host. @packageDocumentation */

export { cacheFolder } from "@semiseg/kernels";
export type { CudaOptions } from "./engine/cuda-environment.js";
export * from "./engine/doctor.js";
export * from "./engine/init-backend.js";
export { type LoadedNative, loadNative } from "./engine/load-native.js";
export type { NativeLayout, NativeVariant } from "./setup/native-layout.js";
export { type Progress, printProgress } from "./setup/progress.js";
export { type NativeSetup, type SetupNativeOptions, setupNative } from "./setup/setup-native.js";
