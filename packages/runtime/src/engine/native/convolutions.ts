import { backend_util, type TensorInfo } from "@tensorflow/tfjs-core";
import { type Attrs, float, replace, run } from "./operator.js";

type Shape5 = [number, number, number, number, number];

interface Convolution {
  readonly stride: number;
  readonly padding: readonly number[];
  readonly output: readonly number[];
}

/** Attributes of a convolution that our kernels cover, or null. */
function covered(
  x: readonly number[],
  filter: readonly number[],
  attrs: Attrs,
  needsTiles = false,
): Convolution | null {
  const {
    strides,
    pad,
    dilations = 1,
  } = attrs as {
    strides: number | [number, number, number];
    pad: "same" | "valid" | number;
    dilations?: number | number[];
  };
  const stride = [strides].flat();
  if (new Set(stride).size !== 1 || [dilations].flat().some((d) => d !== 1) || typeof pad === "number") return null;
  if (filter[0]! * filter[1]! > 64 || x.some((n) => n === 0)) return null;
  const info = backend_util.computeConv3DInfo(x as Shape5, filter as Shape5, strides, 1, pad);
  const padding = [info.padInfo.front, info.padInfo.top, info.padInfo.left];
  const sizes = [info.outDepth, info.outHeight, info.outWidth];
  const tiles = sizes.every((n, i) => filter[i] === stride[0] && padding[i] === 0 && n * filter[i]! <= x[i + 1]!);
  if (needsTiles && stride[0]! > 1 && !tiles) return null;
  return {
    stride: stride[0]!,
    padding,
    output: [info.batchSize, info.outDepth, info.outHeight, info.outWidth, info.outChannels],
  };
}

/** 3-D convolution and its two gradients. */
export function replaceConvolutions(): void {
  replace("Conv3D", ({ inputs, attrs, backend }) => {
    const { x, filter } = inputs as Record<"x" | "filter", TensorInfo>;
    const c = float(x, filter) ? covered(x.shape, filter.shape, attrs) : null;
    if (!c) return null;
    const ints = { stride: c.stride, padding: c.padding, shape: c.output };
    return run(backend, "SemisegConv3D", [x, filter], 1, { ints })[0]!;
  });
  replace("Conv3DBackpropInputV2", ({ inputs, attrs, backend }) => {
    const { dy, filter } = inputs as Record<"dy" | "filter", TensorInfo>;
    const shape = attrs["inputShape"] as number[];
    const c = float(dy, filter) ? covered(shape, filter.shape, attrs, true) : null;
    if (!c) return null;
    const ints = { stride: c.stride, padding: c.padding, shape };
    return run(backend, "SemisegConv3DInputGradient", [dy, filter], 1, { ints })[0]!;
  });
  replace("Conv3DBackpropFilterV2", ({ inputs, attrs, backend }) => {
    const { x, dy } = inputs as Record<"x" | "dy", TensorInfo>;
    const shape = attrs["filterShape"] as number[];
    const c = float(x, dy) ? covered(x.shape, shape, attrs) : null;
    if (!c) return null;
    const ints = { stride: c.stride, padding: c.padding, shape };
    return run(backend, "SemisegConv3DFilterGradient", [x, dy], 1, { ints })[0]!;
  });
}
