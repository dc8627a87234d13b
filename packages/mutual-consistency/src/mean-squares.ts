import {
  add,
  customGrad,
  div,
  expandDims,
  type GradSaveFunc,
  mul,
  neg,
  type Scalar,
  scalar,
  sub,
  sum,
  type Tensor,
} from "@tensorflow/tfjs-core";

/**
 * `sum(M (a - b)^2) / (C sum(M) + 1e-16)` over voxels and channels, or the plain mean without a mask; differentiable in
 * `a` and `b`. The weighted difference is kept for the gradient, which then is one product per input.
 *
 * @param a - `[N, ...S, C]`; `b` alike.
 * @param mask - `[N, ...S]`.
 */
export function meanSquares(a: Tensor, b: Tensor, mask: Tensor | undefined): Scalar {
  const op = customGrad((...inputs: (Tensor | GradSaveFunc)[]) => {
    const [x, y, save] = inputs as [Tensor, Tensor, GradSaveFunc];
    const difference = sub(x, y);
    const weighted = mask ? mul(difference, expandDims(mask, -1)) : difference;
    const count = mask ? add(mul(sum(mask), x.shape.at(-1)!), 1e-16) : scalar(x.size);
    save([weighted, count]);
    return {
      value: div(sum(mul(weighted, difference)), count),
      gradFunc: (dy: Tensor, saved: Tensor[]) => {
        const slope = mul(saved[0]!, div(mul(dy, 2), saved[1]!));
        return [slope, neg(slope)];
      },
    };
  });
  return op(a, b) as Scalar;
}
