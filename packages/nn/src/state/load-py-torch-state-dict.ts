import { dispose, type Tensor, tidy } from "@tensorflow/tfjs-core";
import type { Module } from "../module.js";
import { type LoadStateDictOptions, loadStateDict } from "./load-state-dict.js";
import { fromPyTorchLayout } from "./py-torch-layout.js";

/** Options of {@link loadPyTorchStateDict}. */
export interface LoadPyTorchStateDictOptions extends LoadStateDictOptions {
  /** This module's name for one of PyTorch; the identity by default, undefined to leave an entry out. */
  readonly rename?: (name: string) => string | undefined;
}

/**
 * Loads a PyTorch state dict: kernels are transposed to channels last, `num_batches_tracked` is left out.
 *
 * @throws CheckpointError when names or shapes do not fit.
 */
export function loadPyTorchStateDict(
  module: Module,
  dict: ReadonlyMap<string, Tensor>,
  { rename = (name) => name, ...options }: LoadPyTorchStateDictOptions = {},
): void {
  const converted = tidy(() => {
    const out: Record<string, Tensor> = {};
    for (const [theirs, value] of dict) {
      if (theirs.endsWith("num_batches_tracked")) continue;
      const ours = rename(theirs);
      if (ours !== undefined) out[ours] = fromPyTorchLayout(value);
    }
    return out;
  });
  try {
    loadStateDict(module, new Map(Object.entries(converted)), options);
  } finally {
    dispose(converted);
  }
}
