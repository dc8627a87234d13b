import { OptionError } from "@semiseg/errors";
import { conv2d, conv3d, pad, type Tensor, type Tensor4D, type Tensor5D, tidy } from "@tensorflow/tfjs-core";
import { type PerAxis, perAxis } from "./spatial.js";

/** Options of {@link convolution}. */
export interface ConvolutionOptions {
  readonly strides?: PerAxis;
  /** `same`: (k - 1) / 2 zeros on both sides as in PyTorch (odd kernels), `valid`: none, or zeros per side. Default `same`. */
  readonly padding?: "same" | "valid" | number;
}

const triple = (a: readonly number[]): [number, number, number] => a as [number, number, number];

/**
 * Cross-correlation of `x` `[N,...S,I]` with `kernel` `[...k,I,O]`, 2-D or 3-D by rank, differentiable in both.
 * Padding is symmetric as in PyTorch, which differs from TensorFlow's `same` at strides above 1.
 */
export function convolution(x: Tensor, kernel: Tensor, options: ConvolutionOptions = {}): Tensor {
  const dims = kernel.rank - 2;
  const strides = perAxis("convolution", "strides", options.strides ?? 1, dims);
  const size = kernel.shape.slice(0, dims);
  const { padding = "same" } = options;
  if (padding === "same" && size.some((k) => k % 2 === 0))
    throw new OptionError(
      `convolution: padding 'same' needs odd kernel sizes, received ${size.join("x")}; use 'valid' or a number`,
    );
  const zeros = size.map((k) => (padding === "valid" ? 0 : padding === "same" ? (k - 1) / 2 : padding));
  const none = zeros.every((n) => n === 0);
  // TensorFlow's own `same` is symmetric only at stride 1.
  const builtIn = padding === "same" && strides.every((s) => s === 1);
  return tidy(() => {
    const padded = none || builtIn ? x : pad(x, [[0, 0], ...zeros.map((n): [number, number] => [n, n]), [0, 0]]);
    const mode = builtIn && !none ? "same" : "valid";
    return dims === 2
      ? conv2d(padded as Tensor4D, kernel as Tensor4D, strides as [number, number], mode)
      : conv3d(padded as Tensor5D, kernel as Tensor5D, triple(strides), mode);
  });
}
