import {
  customGrad,
  gather,
  reshape,
  scatterND,
  type Tensor,
  type Tensor2D,
  tensor1d,
  tidy,
} from "@tensorflow/tfjs-core";

/**
 * Rows of `x` `[R, E]`. Each row is asked for once, so the gradient is a scatter; tfjs's own is a sum over segments that
 * some engines compute with one operation per row of `x`.
 */
export function gatherRows(x: Tensor, rows: Int32Array): Tensor2D {
  const pick = customGrad((input) => ({
    value: gather(input as Tensor, tensor1d(rows, "int32")),
    gradFunc: (dy: Tensor) =>
      tidy(() => scatterND(reshape(tensor1d(rows, "int32"), [-1, 1]), dy, x.shape as [number, number])),
  }));
  return tidy(() => pick(x)) as Tensor2D;
}
