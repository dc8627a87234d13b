import { engine } from "@tensorflow/tfjs-core";

/**
 * Runs `f` without recording it for differentiation: teachers, pseudo-labels and memory banks.
 * Values are the same; no intermediate is kept for a backward pass. `f` must be synchronous.
 */
export function withoutGradient<T>(f: () => T): T {
  const { state } = engine();
  // tfjs records a kernel on its tape only at kernel depth 0; one level deeper it is an implementation detail of a
  // surrounding kernel, which is exactly what a constant is.
  state.kernelDepth++;
  try {
    return f();
  } finally {
    state.kernelDepth--;
  }
}
