import { FUSED_NORM, FUSED_NORM_GRAD, type FusedNormAttrs } from "@semiseg/kernels";
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import { type KernelFunc, type NamedAttrMap, registerKernel, type TensorInfo } from "@tensorflow/tfjs-core";
import { type NormSizes, normApply, normGradient, normStatistics } from "./norm-programs.js";

type Arguments = { inputs: Record<string, TensorInfo>; attrs: NamedAttrMap; backend: WebGPUBackend };

const sizesOf = ({ shape }: TensorInfo, attrs: NamedAttrMap): NormSizes => ({
  ...(attrs as unknown as FusedNormAttrs),
  samples: shape[0]!,
  voxels: shape.slice(1, -1).reduce((a, b) => a * b, 1),
  channels: shape.at(-1)!,
});

let registered = false;

/**
 * Registers the fused normalisation and its gradient for WebGPU: four programs forward and five backward.
 */
export function registerNorms(): void {
  if (registered) return;
  registered = true;
  const register = (kernelName: string, kernel: (args: Arguments) => TensorInfo[]): void =>
    registerKernel({ kernelName, backendName: "webgpu", kernelFunc: kernel as unknown as KernelFunc });
  register(FUSED_NORM, ({ inputs, attrs, backend }) => {
    const { x, gamma, beta } = inputs as Record<"x" | "gamma" | "beta", TensorInfo>;
    const sizes = sizesOf(x, attrs);
    const [mean, inverseStd] = normStatistics(backend, x, sizes);
    return [normApply(backend, { x, gamma, beta, mean, inverseStd }, sizes), mean, inverseStd];
  });
  register(FUSED_NORM_GRAD, ({ inputs, attrs, backend }) => {
    const { dy, x, gamma, beta, mean, inverseStd } = inputs;
    const all = { dy: dy!, x: x!, gamma: gamma!, beta: beta!, mean: mean!, inverseStd: inverseStd! };
    return normGradient(backend, all, sizesOf(x!, attrs));
  });
}
