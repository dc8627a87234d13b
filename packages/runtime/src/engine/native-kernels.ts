/** Puts our own operators behind tfjs's kernels of the `tensorflow` backend. Called once, after they were loaded. */
export function registerNativeKernels(): void {}
