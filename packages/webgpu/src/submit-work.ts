import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";

/** Hands the device all work that the backend still collects. */
export function submitWork(backend: WebGPUBackend): void {
  // tfjs cannot submit an empty queue, nor one with an open pass; both are private to it.
  const queue = backend as unknown as { readonly commandEncoder: unknown; endComputePassEncoder(): void };
  if (!queue.commandEncoder) return;
  queue.endComputePassEncoder();
  backend.submitQueue();
}
