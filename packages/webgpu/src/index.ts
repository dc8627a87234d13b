/** Rank-5 fixes and kernels for the TensorFlow.js WebGPU backend. @packageDocumentation */
export * from "./fix-gradients.js";
export * from "./fix-kernels.js";
export type { ConvolutionPrecision } from "./gemm-settings.js";
export * from "./guard-errors.js";
export * from "./init-webgpu.js";
export * from "./replace-convolutions.js";
export type { TileStorage } from "./tile-storage.js";
export * from "./tune-webgpu.js";
