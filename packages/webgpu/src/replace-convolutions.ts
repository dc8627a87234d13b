import { replaceKernel } from "@semiseg/kernels";
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import { backend_util, type NamedAttrMap, type NamedTensorInfoMap, type TensorInfo } from "@tensorflow/tfjs-core";
import { type Convolution, convolve, convolveFilterGradient, convolveInputGradient } from "./convolution.js";

type Arguments = { inputs: NamedTensorInfoMap; attrs?: NamedAttrMap | undefined; backend: WebGPUBackend };
type Shape5 = [number, number, number, number, number];

/** The convolution that attributes describe, or null where the stock kernel has to do. */
function convolutionOf(x: readonly number[], filter: readonly number[], attrs: NamedAttrMap | undefined) {
  const {
    strides,
    pad,
    dilations = 1,
  } = attrs as unknown as {
    strides: number | [number, number, number];
    pad: "same" | "valid" | number;
    dilations?: number | [number, number, number];
  };
  if (typeof pad === "number" || [...x, ...filter].some((n) => n === 0)) return null;
  const info = backend_util.computeConv3DInfo(x as Shape5, filter as Shape5, strides, dilations, pad);
  const convolution: Convolution = {
    batch: info.batchSize,
    input: [info.inDepth, info.inHeight, info.inWidth],
    output: [info.outDepth, info.outHeight, info.outWidth],
    kernel: [info.filterDepth, info.filterHeight, info.filterWidth],
    inChannels: info.inChannels,
    outChannels: info.outChannels,
    strides: [info.strideDepth, info.strideHeight, info.strideWidth],
    padding: [info.padInfo.front, info.padInfo.top, info.padInfo.left],
    dilations: [info.dilationDepth, info.dilationHeight, info.dilationWidth],
  };
  return convolution;
}

const float = (...tensors: TensorInfo[]): boolean => tensors.every(({ dtype }) => dtype === "float32");

const replace = (name: string, own: (args: Arguments) => TensorInfo | null): void => replaceKernel(name, "webgpu", own);

let replaced = false;

/**
 * Puts tiled convolutions (implicit GEMM) in place of tfjs's one-thread-per-value kernels for 3-D convolution and its two
 * gradients, for this process; a transposed convolution is the gradient of the input. Calling it again does nothing.
 */
export function replaceConvolutions(): void {
  if (replaced) return;
  replaced = true;
  replace("Conv3D", ({ inputs, attrs, backend }) => {
    const { x, filter } = inputs as Record<"x" | "filter", TensorInfo>;
    const c = float(x, filter) ? convolutionOf(x.shape, filter.shape, attrs) : null;
    if (!c) return null;
    return { ...convolve(backend, x, filter, c), shape: [c.batch, ...c.output, c.outChannels] };
  });
  replace("Conv3DBackpropInputV2", ({ inputs, attrs, backend }) => {
    const { dy, filter } = inputs as Record<"dy" | "filter", TensorInfo>;
    const shape = attrs!["inputShape"] as number[];
    const c = float(dy, filter) ? convolutionOf(shape, filter.shape, attrs) : null;
    if (!c) return null;
    return { ...convolveInputGradient(backend, dy, filter, c), shape };
  });
  replace("Conv3DBackpropFilterV2", ({ inputs, attrs, backend }) => {
    const { x, dy } = inputs as Record<"x" | "dy", TensorInfo>;
    const shape = attrs!["filterShape"] as number[];
    const c = float(x, dy) ? convolutionOf(x.shape, shape, attrs) : null;
    if (!c) return null;
    return { ...convolveFilterGradient(backend, x, dy, c), shape };
  });
}
