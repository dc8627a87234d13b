import { getBackend } from "@tensorflow/tfjs-core";

/**
 * True when the current tfjs backend gives values while code runs (`dataSync`). WebGPU does not: there, values that a loss
 * depends on are read ahead of it, with `await tensor.data()`.
 */
export function readsAtOnce(): boolean {
  return getBackend() !== "webgpu";
}
