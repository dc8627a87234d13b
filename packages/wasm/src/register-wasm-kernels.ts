import type { BackendWasm } from "@tensorflow/tfjs-backend-wasm";
import {
  backend_util,
  getKernel,
  type KernelFunc,
  type NamedAttrMap,
  type NamedTensorInfoMap,
  registerKernel,
  type TensorInfo,
  unregisterKernel,
} from "@tensorflow/tfjs-core";
import { type ConvolutionSizes, conv3d, filterGradient, inputGradient } from "./convolution.js";
import { type KernelModule, loadKernelModule } from "./kernel-module.js";

type Arguments = { inputs: NamedTensorInfoMap; attrs?: NamedAttrMap | undefined; backend: BackendWasm };
type Shape5 = [number, number, number, number, number];
type Pad = "same" | "valid" | number;

const values = (backend: BackendWasm, x: TensorInfo): Float32Array => backend.typedArrayFromHeap(x) as Float32Array;

function result(backend: BackendWasm, shape: number[], data: Float32Array): TensorInfo {
  const out = backend.makeOutput(shape, "float32");
  values(backend, out).set(data);
  return out;
}

/** Sizes of a convolution that the kernels cover (one stride for all axes, no dilation), or null. */
function sizes3d(
  input: Shape5,
  filter: Shape5,
  strides: number | [number, number, number],
  pad: Pad,
): ConvolutionSizes | null {
  if (new Set([strides].flat()).size !== 1 || typeof pad === "number") return null;
  const info = backend_util.computeConv3DInfo(input, filter, strides, 1, pad);
  return {
    batch: info.batchSize,
    input: [info.inDepth, info.inHeight, info.inWidth],
    inChannels: info.inChannels,
    output: [info.outDepth, info.outHeight, info.outWidth],
    outChannels: info.outChannels,
    kernel: [info.filterDepth, info.filterHeight, info.filterWidth],
    stride: info.strideDepth,
    padding: [info.padInfo.front, info.padInfo.top, info.padInfo.left],
  };
}

function replaceKernel(name: string, own: (args: Arguments) => TensorInfo | null): void {
  const stock = getKernel(name, "wasm");
  if (stock) unregisterKernel(name, "wasm");
  const kernelFunc = (args: Arguments): TensorInfo => {
    const out = own(args);
    if (out) return out;
    if (!stock) throw new Error(`${name}: these strides or dilations are not supported on the wasm backend`);
    return (stock.kernelFunc as unknown as (args: Arguments) => TensorInfo)(args);
  };
  registerKernel({ ...stock, kernelName: name, backendName: "wasm", kernelFunc: kernelFunc as unknown as KernelFunc });
}

function replaceAll(m: KernelModule): void {
  replaceKernel("Conv3D", ({ inputs, attrs, backend }) => {
    const { x, filter } = inputs as { x: TensorInfo; filter: TensorInfo };
    const { strides, pad, dilations } = attrs as unknown as {
      strides: [number, number, number];
      pad: Pad;
      dilations: number | number[];
    };
    if ([dilations ?? 1].flat().some((d) => d !== 1)) return null;
    const s = sizes3d(x.shape as Shape5, filter.shape as Shape5, strides, pad);
    if (!s) return null;
    const out = conv3d(m, values(backend, x), values(backend, filter), s);
    return result(backend, [s.batch, ...s.output, s.outChannels], out);
  });
  replaceKernel("Conv3DBackpropFilterV2", ({ inputs, attrs, backend }) => {
    const { x, dy } = inputs as { x: TensorInfo; dy: TensorInfo };
    const { strides, pad, filterShape } = attrs as unknown as {
      strides: [number, number, number];
      pad: Pad;
      filterShape: Shape5;
    };
    const s = sizes3d(x.shape as Shape5, filterShape, strides, pad);
    if (!s) return null;
    return result(backend, filterShape, filterGradient(m, values(backend, x), values(backend, dy), s));
  });
  replaceKernel("Conv3DBackpropInputV2", ({ inputs, attrs, backend }) => {
    const { dy, filter } = inputs as { dy: TensorInfo; filter: TensorInfo };
    const { strides, pad, inputShape } = attrs as unknown as {
      strides: [number, number, number];
      pad: Pad;
      inputShape: Shape5;
    };
    const s = sizes3d(inputShape, filter.shape as Shape5, strides, pad);
    if (!s) return null;
    return result(backend, inputShape, inputGradient(m, values(backend, dy), values(backend, filter), s));
  });
  // tfjs's wasm backend has no gradient of a 2-D filter at all: a 3-D one of depth 1.
  replaceKernel("Conv2DBackpropFilter", ({ inputs, attrs, backend }) => {
    const { x, dy } = inputs as { x: TensorInfo; dy: TensorInfo };
    const a = attrs as unknown as {
      strides: number | [number, number];
      pad: "same" | "valid" | number;
      filterShape: [number, number, number, number];
      dimRoundingMode?: "floor";
      dataFormat?: string;
    };
    if (a.dataFormat === "NCHW") return null;
    const info = backend_util.computeConv2DInfo(
      x.shape as [number, number, number, number],
      a.filterShape,
      a.strides,
      1,
      a.pad,
      a.dimRoundingMode,
      false,
    );
    if (info.strideHeight !== info.strideWidth) return null;
    return result(
      backend,
      a.filterShape,
      filterGradient(m, values(backend, x), values(backend, dy), {
        batch: info.batchSize,
        input: [1, info.inHeight, info.inWidth],
        inChannels: info.inChannels,
        output: [1, info.outHeight, info.outWidth],
        outChannels: info.outChannels,
        kernel: [1, info.filterHeight, info.filterWidth],
        stride: info.strideHeight,
        padding: [0, info.padInfo.top, info.padInfo.left],
      }),
    );
  });
}

let registered: Promise<{ readonly relaxed: boolean }> | undefined;

/**
 * Puts the SIMD kernels behind tfjs's `wasm` backend, once: `Conv3D` and both gradients, `Conv2DBackpropFilter`. Import
 * `@tensorflow/tfjs-backend-wasm` first. Cases they do not cover (dilation, unequal strides) keep the stock kernels.
 *
 * @returns whether fused multiply-add (relaxed SIMD) is in use.
 * @throws BackendError when the runtime has no WebAssembly SIMD.
 */
export function registerWasmKernels(): Promise<{ readonly relaxed: boolean }> {
  registered ??= loadKernelModule().then((m) => {
    replaceAll(m);
    return { relaxed: m.relaxed };
  });
  return registered;
}
