import {
  conv2dTranspose,
  conv3d,
  conv3dTranspose,
  engine,
  type NamedAttrMap,
  type Tensor,
  type Tensor4D,
  type Tensor5D,
} from "@tensorflow/tfjs-core";
import { type PerAxis, perAxis } from "./spatial.js";
import { withGradient } from "./with-gradient.js";

/**
 * Transposed convolution without padding of `x` `[N,...S,I]` with `kernel` `[...k,O,I]`: sizes become
 * `(S - 1) * strides + k`, as in PyTorch. 2-D or 3-D by rank, differentiable in both (tfjs itself has no gradient of
 * the 3-D one: the input's is a strided convolution of dy, the kernel's the filter gradient with x and dy swapped).
 */
export function transposedConvolution(x: Tensor, kernel: Tensor, options: { readonly strides?: PerAxis } = {}): Tensor {
  const dims = kernel.rank - 2;
  const strides = perAxis("transposedConvolution", "strides", options.strides ?? 2, dims);
  const sizes = strides.map((s, i) => (x.shape[i + 1]! - 1) * s + kernel.shape[i]!);
  const shape = [x.shape[0]!, ...sizes, kernel.shape[dims]!];
  if (dims === 2)
    return conv2dTranspose(
      x as Tensor4D,
      kernel as Tensor4D,
      shape as [number, number, number, number],
      strides as [number, number],
      "valid",
    );
  const stride3 = strides as [number, number, number];
  return withGradient([x, kernel], (_, save) => {
    save([x, kernel]);
    return {
      value: conv3dTranspose(
        x as Tensor5D,
        kernel as Tensor5D,
        shape as [number, number, number, number, number],
        stride3,
        "valid",
      ),
      gradFunc: (dy, saved) => [
        conv3d(dy as Tensor5D, saved[1] as Tensor5D, stride3, "valid"),
        engine().runKernel("Conv3DBackpropFilterV2", { x: dy, dy: saved[0]! }, {
          strides: stride3,
          pad: "valid",
          filterShape: kernel.shape,
        } as unknown as NamedAttrMap) as Tensor,
      ],
    };
  });
}
