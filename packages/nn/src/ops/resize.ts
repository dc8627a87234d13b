import { checkRank } from "@semiseg/errors";
import { FUSED_RESIZE, FUSED_RESIZE_GRAD, type FusedResizeAttrs, hasKernel } from "@semiseg/kernels";
import {
  engine,
  gather,
  matMul,
  type NamedAttrMap,
  reshape,
  type Tensor,
  type Tensor3D,
  tensor,
  tidy,
} from "@tensorflow/tfjs-core";
import { type PerAxis, perAxis, product } from "./spatial.js";
import { withGradient } from "./with-gradient.js";

/** An `[out, in]` matrix in row order. */
export type AxisWeights = (out: number, input: number) => Float32Array;

/** `[N,...S,C]` seen as `[everything before the axis, axis, everything after]`. */
const threeWay = (shape: readonly number[], axis: number): [number, number, number] => [
  product(shape.slice(0, axis)),
  shape[axis]!,
  product(shape.slice(axis + 1)),
];

const withSize = (shape: readonly number[], axis: number, n: number): number[] =>
  shape.map((size, i) => (i === axis ? n : size));

/** Multiplies one axis by a matrix `[out, in]` (transposed: `[in, out]` to the other side). */
function alongAxis(x: Tensor, axis: number, matrix: Tensor, transposed: boolean, out: number): Tensor {
  const view = reshape(x, threeWay(x.shape, axis)) as Tensor3D;
  const rows = reshape(matrix, [1, matrix.shape[0]!, matrix.shape[1]!]) as Tensor3D;
  return reshape(matMul(rows, view, transposed, false), withSize(x.shape, axis, out));
}

/** Checks a target size against `x`. */
export function targetSize(where: string, x: Tensor, size: PerAxis): number[] {
  checkRank(where, "x", x, [4, 5]);
  return perAxis(where, "size", size, x.rank - 2);
}

/** A separable linear map of the spatial axes and its adjoint as gradient; `forward` replaces the matrices where cheaper. */
export function separable(
  x: Tensor,
  size: readonly number[],
  weights: AxisWeights,
  forward?: (x: Tensor) => Tensor,
): Tensor {
  const from = x.shape.slice(1, -1);
  const axes = size.map((n, i) => ({ axis: i + 1, n, input: from[i]! })).filter(({ n, input }) => n !== input);
  // Inner axes first: their matrix products are the least efficient, so they run on the smaller tensor.
  const ordered = [...axes].reverse();
  const matrix = (out: number, input: number): Tensor => tensor(weights(out, input), [out, input]);
  return withGradient([x], () => ({
    value: forward
      ? forward(x)
      : ordered.reduce((y, { axis, n, input }) => alongAxis(y, axis, matrix(n, input), false, n), x),
    gradFunc: (dy) => [
      [...ordered].reverse().reduce((g, { axis, n, input }) => alongAxis(g, axis, matrix(n, input), true, input), dy),
    ],
  }));
}

/** A separable map by one of the rules of FUSED_RESIZE, one kernel where the engine has it; `weights` say the same rule. */
export function resized(
  x: Tensor,
  size: readonly number[],
  rule: FusedResizeAttrs["rule"],
  weights: AxisWeights,
): Tensor {
  if (!hasKernel(FUSED_RESIZE) || !hasKernel(FUSED_RESIZE_GRAD)) return tidy(() => separable(x, size, weights));
  const map = (kernel: string, inputs: Record<string, Tensor>, shape: readonly number[]): Tensor => {
    const attrs: FusedResizeAttrs = { shape, rule };
    return engine().runKernel(kernel, inputs, { ...attrs } as unknown as NamedAttrMap) as Tensor;
  };
  const { shape } = x;
  return withGradient([x], () => ({
    value: map(FUSED_RESIZE, { x }, [shape[0]!, ...size, shape.at(-1)!]),
    gradFunc: (dy) => [map(FUSED_RESIZE_GRAD, { dy }, shape)],
  }));
}

/** Picks positions along one axis. */
export function pick(x: Tensor, axis: number, indices: Int32Array): Tensor {
  return tidy(() =>
    reshape(
      gather(reshape(x, threeWay(x.shape, axis)), tensor(indices, [indices.length], "int32"), 1),
      withSize(x.shape, axis, indices.length),
    ),
  );
}
