import type { TensorInfo } from "@tensorflow/tfjs-core";
import { type Arguments, type Attrs, float, type Handle, replace, type TypedAttrs } from "../native/operator.js";
import { largestMagnitude, largestSum, powerBelow } from "./largest-magnitude.js";
import { type ChainBackend, OperatorChain, TYPE } from "./operator-chain.js";

/** 16-bit types of convolutions' operands. */
export type HalfPrecision = "float16" | "bfloat16";

const KERNELS = [
  {
    dims: 2,
    format: "NHWC",
    forward: "Conv2D",
    inputGradient: "Conv2DBackpropInput",
    filterGradient: "Conv2DBackpropFilter",
  },
  {
    dims: 3,
    format: "NDHWC",
    forward: "Conv3D",
    inputGradient: "Conv3DBackpropInputV2",
    filterGradient: "Conv3DBackpropFilterV2",
  },
] as const;

/** Attributes of a convolution, or null where the stock kernel has to do. */
function convolutionAttributes(
  { dims, format }: (typeof KERNELS)[number],
  tensors: readonly TensorInfo[],
  attrs: Attrs,
): TypedAttrs | null {
  const { strides, pad, dilations } = attrs as Record<
    "strides" | "dilations",
    number | readonly number[] | undefined
  > & {
    pad: unknown;
  };
  if (!float(...tensors) || (pad !== "same" && pad !== "valid")) return null;
  if (tensors.some(({ shape }) => shape.includes(0))) return null;
  const perAxis = (value: number | readonly number[] = 1): number[] => [
    1,
    ...(typeof value === "number" ? Array<number>(dims).fill(value) : value),
    1,
  ];
  return {
    ints: { strides: perAxis(strides), dilations: perAxis(dilations) },
    strings: { padding: pad.toUpperCase(), data_format: format },
  };
}

/** float16 keeps sums below four times this: half of its largest number. */
const MOST = 2 ** 13;

/** Operands of a product, and the scalar that its result has to be multiplied by. */
interface Scaled {
  readonly operands: readonly [Handle, Handle];
  readonly unscale: Handle;
}

/**
 * Brings the sums of products of `values` with a filter below what float16 holds, whatever the values' magnitude: `kept` is
 * the filter's axis of the results. By a power of two, so exactly. The filter stays as it is.
 */
function scaleValues(chain: OperatorChain, values: Handle, filter: Handle, kept: number): Scaled {
  const most = chain.constant("float32", MOST);
  const weights = powerBelow(chain, largestSum(chain, filter, kept));
  // A small filter must not raise the values themselves beyond float16.
  const bound = chain.run("Mul", [
    powerBelow(chain, largestMagnitude(chain, values)),
    chain.run("Maximum", [weights, chain.constant("float32", 1)]),
  ]);
  return {
    operands: [chain.run("Mul", [values, chain.run("RealDiv", [most, bound])]), filter],
    unscale: chain.run("RealDiv", [bound, most]),
  };
}

/** The same for the sums of x dy over all voxels, which no single value bounds: by the sum of magnitudes of dy. */
function scaleBoth(chain: OperatorChain, x: Handle, dy: Handle): Scaled {
  const most = chain.constant("float32", MOST);
  const values = powerBelow(chain, largestMagnitude(chain, x));
  const sums = powerBelow(chain, largestSum(chain, dy, dy.shape.length - 1));
  return {
    operands: [chain.run("RealDiv", [x, values]), chain.run("Mul", [dy, chain.run("RealDiv", [most, sums])])],
    // One after the other: their product may pass float32's range.
    unscale: chain.run("Mul", [values, chain.run("RealDiv", [sums, most])]),
  };
}

let precision: HalfPrecision | null = null;

/**
 * Runs a product of two float32 tensors in 16 bits. bfloat16 has float32's range; float16 has not, and gradients would
 * vanish in it: `scale` is for it.
 */
function inHalf(
  backend: Arguments["backend"],
  [a, b]: readonly [TensorInfo, TensorInfo],
  scale: (chain: OperatorChain, a: Handle, b: Handle) => Scaled,
  multiply: (chain: OperatorChain, a: Handle, b: Handle) => Handle,
): TensorInfo {
  const chain = new OperatorChain(backend as unknown as ChainBackend);
  try {
    const inputs = [chain.input(a), chain.input(b)] as const;
    const scaled = precision === "float16" ? scale(chain, ...inputs) : null;
    const [first, second] = (scaled?.operands ?? inputs).map((x) => chain.cast(x, TYPE[precision!]));
    const result = chain.cast(multiply(chain, first!, second!), TYPE.float32);
    return chain.output(scaled ? chain.run("Mul", [result, scaled.unscale]) : result);
  } finally {
    chain.free();
  }
}

function replaceConvolutions(kernels: (typeof KERNELS)[number]): void {
  const { dims, forward, inputGradient, filterGradient } = kernels;
  replace(forward, ({ inputs, attrs, backend }) => {
    const { x, filter } = inputs as Record<"x" | "filter", TensorInfo>;
    const attributes = precision && convolutionAttributes(kernels, [x, filter], attrs);
    if (!attributes) return null;
    return inHalf(
      backend,
      [x, filter],
      (chain, values, weights) => scaleValues(chain, values, weights, dims + 1),
      (chain, values, weights) => chain.run(forward, [values, weights], attributes),
    );
  });
  replace(inputGradient, ({ inputs, attrs, backend }) => {
    const { dy, filter } = inputs as Record<"dy" | "filter", TensorInfo>;
    const attributes = precision && convolutionAttributes(kernels, [dy, filter], attrs);
    if (!attributes) return null;
    const shape = attrs["inputShape"] as number[];
    return inHalf(
      backend,
      [dy, filter],
      (chain, values, weights) => scaleValues(chain, values, weights, dims),
      (chain, values, weights) => chain.run(inputGradient, [chain.integers(shape), weights, values], attributes),
    );
  });
  replace(filterGradient, ({ inputs, attrs, backend }) => {
    const { x, dy } = inputs as Record<"x" | "dy", TensorInfo>;
    const attributes = precision && convolutionAttributes(kernels, [x, dy], attrs);
    if (!attributes) return null;
    const shape = attrs["filterShape"] as number[];
    return inHalf(backend, [x, dy], scaleBoth, (chain, values, gradients) =>
      chain.run(filterGradient, [values, chain.integers(shape), gradients], attributes),
    );
  });
}

let replaced = false;

/**
 * Mixed precision for the backend `tensorflow`: from now on 2-D and 3-D convolutions and their gradients multiply operands
 * of 16 bits, on tensor cores where the GPU has them, and round their results to 16 bits; null ends it. Tensors, weights,
 * and everything else are float32 as before.
 */
export function convolveIn(type: HalfPrecision | null): void {
  precision = type;
  if (replaced || type === null) return;
  replaced = true;
  for (const kernels of KERNELS) replaceConvolutions(kernels);
}
