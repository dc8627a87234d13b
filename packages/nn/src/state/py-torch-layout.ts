import { type Tensor, transpose } from "@tensorflow/tfjs-core";
import { copyTensor } from "./copy-tensor.js";

/**
 * A PyTorch parameter in this library's layout. Convolution kernels (rank 4, 5) turn from `[O,I,...k]` to `[...k,I,O]`,
 * transposed ones from `[I,O,...k]` to `[...k,O,I]`: the same permutation. Everything else is the same on both sides.
 */
export function fromPyTorchLayout(x: Tensor): Tensor {
  if (x.rank < 4) return copyTensor(x);
  return transpose(x, [...Array.from({ length: x.rank - 2 }, (_, i) => i + 2), 1, 0]);
}

/** The inverse of {@link fromPyTorchLayout}. */
export function toPyTorchLayout(x: Tensor): Tensor {
  if (x.rank < 4) return copyTensor(x);
  return transpose(x, [x.rank - 1, x.rank - 2, ...Array.from({ length: x.rank - 2 }, (_, i) => i)]);
}
