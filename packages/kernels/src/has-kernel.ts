import { getBackend, getKernel } from "@tensorflow/tfjs-core";

/** True when the current tfjs backend has a kernel of this name. Callers compose plain ops otherwise. */
export function hasKernel(name: string): boolean {
  return getKernel(name, getBackend()) != null;
}
