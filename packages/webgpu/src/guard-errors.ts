import { BackendError } from "@semiseg/errors";
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import type { BackendValues } from "@tensorflow/tfjs-core";
import { submitWork } from "./submit-work.js";

/** What the device has complained about. */
export interface ErrorGuard {
  /** Waits for all submitted work, then throws BackendError if anything went wrong since the last check. */
  flush(): Promise<void>;
  /** Errors seen and not yet thrown. */
  readonly pending: readonly string[];
}

/**
 * Turns WebGPU's silent failures into exceptions. A shader that does not validate makes its whole command buffer, and
 * the correct ops in it, return zeros or stale data while nothing throws; here the next read throws BackendError.
 */
export function guardErrors(backend: WebGPUBackend): ErrorGuard {
  const { device } = backend;
  const pending: string[] = [];
  let lost: string | null = null;
  device.addEventListener("uncapturederror", (event) => pending.push((event as GPUUncapturedErrorEvent).error.message));
  void device.lost.then(({ reason, message }) => {
    lost = message || reason;
  });
  const check = (): void => {
    if (lost !== null) throw new BackendError(`the WebGPU device was lost (${lost}): resume from the last checkpoint`);
    if (pending.length === 0) return;
    const [first] = pending;
    const more = pending.length > 1 ? ` (and ${pending.length - 1} more)` : "";
    pending.length = 0;
    throw new BackendError(
      `WebGPU rejected an operation, so results since the last read are not valid: ${first}${more}`,
    );
  };
  const read = backend.read.bind(backend);
  backend.read = async (dataId) => {
    try {
      const values = await read(dataId);
      await device.queue.onSubmittedWorkDone();
      check();
      return values;
    } catch (error) {
      // What a lost device makes of a read is some other error: the loss is told a moment later.
      await new Promise((resolve) => setTimeout(resolve));
      if (lost !== null) check();
      throw error;
    }
  };
  // tfjs reads through a canvas, which some browsers fill with zeros and Node has not: wrong values, and nothing thrown.
  backend.readSync = (dataId) => {
    const { values } = (
      backend as unknown as { tensorMap: Map<object, { values?: BackendValues | null }> }
    ).tensorMap.get(dataId)!;
    if (values !== null && values !== undefined) return values;
    throw new BackendError(
      "values of a WebGPU tensor cannot be read while code runs: use await tensor.data() in place of dataSync()",
    );
  };
  return {
    pending,
    flush: async () => {
      submitWork(backend);
      await device.queue.onSubmittedWorkDone();
      check();
    },
  };
}
