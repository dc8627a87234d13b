import { type GradConfig, getGradient, registerGradient, unregisterGradient } from "@tensorflow/tfjs-core";

/** Registers a gradient in the place of tfjs's own for that kernel, or where it has none. */
export function replaceGradient(config: GradConfig): void {
  if (getGradient(config.kernelName)) unregisterGradient(config.kernelName);
  registerGradient(config);
}
