import {
  type ApplyOptions,
  type BatchNormLayer,
  batchNorm,
  type ConvLayer,
  type GroupNormLayer,
  groupNorm,
  instanceNorm,
  type Layer,
  leakyRectify,
  rectify,
} from "@semiseg/nn";
import { add, mul, reshape, type Tensor, tidy } from "@tensorflow/tfjs-core";

/** What follows the convolutions of a network. */
export type Normalization = "batch" | "instance" | "group" | "none";

/** What follows the normalisation. */
export type Activation = "relu" | "leakyRelu" | "none";

/** A convolution (or transposed convolution), its normalisation and activation. */
export interface ConvUnit {
  readonly conv: ConvLayer;
  /** Undefined with normalisation `none`. */
  readonly norm: Layer | undefined;
  apply(x: Tensor, options?: ApplyOptions): Tensor;
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

const activate = (x: Tensor, activation: Activation): Tensor =>
  activation === "relu" ? rectify(x) : activation === "leakyRelu" ? leakyRectify(x) : x;

/** `kernel` with every output channel multiplied by `scale`; output is the last axis, or the last but one if transposed. */
function scaledKernel(kernel: Tensor, scale: Tensor, transposed: boolean): Tensor {
  const out = scale.size;
  const [view, factor] = transposed ? [[-1, out, kernel.shape.at(-1)!], reshape(scale, [out, 1])] : [[-1, out], scale];
  return reshape(mul(reshape(kernel, view), factor), kernel.shape);
}

/**
 * Joins the three steps so that no pass over the voxels is spent on what cancels or folds:
 * before a norm that subtracts each channel's mean the bias is not added (batch norm's running mean gets it, its gradient
 * is exactly 0), and outside training batch norm is folded into the kernel. Outputs, running statistics and gradients
 * are those of the three steps.
 */
export function convUnit(
  conv: ConvLayer,
  channels: number,
  normalization: Normalization,
  activation: Activation,
  transposed = false,
): ConvUnit {
  const relu = activation === "relu";
  const rest = (y: Tensor): Tensor => (relu ? y : activate(y, activation));
  const inputBias = conv.bias ?? undefined;
  if (normalization === "none")
    return { conv, norm: undefined, apply: (x) => tidy(() => activate(conv.apply(x), activation)) };
  if (normalization === "batch") {
    const norm: BatchNormLayer = batchNorm({ channels, relu });
    const evaluate = (x: Tensor): Tensor => {
      const { scale, shift } = norm.affine(inputBias);
      return activate(add(conv.convolve(x, scaledKernel(conv.weight, scale, transposed)), shift), activation);
    };
    return {
      conv,
      norm,
      apply: (x, options) =>
        tidy(() => (options?.training ? rest(norm.apply(conv.convolve(x), { ...options, inputBias })) : evaluate(x))),
    };
  }
  const norm: GroupNormLayer =
    normalization === "instance"
      ? instanceNorm({ channels, relu })
      : groupNorm({ channels, groups: gcd(16, channels), relu });
  return { conv, norm, apply: (x) => tidy(() => rest(norm.apply(conv.convolve(x), { inputBias }))) };
}
