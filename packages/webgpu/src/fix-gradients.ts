import { replaceGradient, replaceSumGradients } from "@semiseg/kernels";
import {
  cast,
  conv3d,
  cumsum,
  engine,
  type GradConfig,
  greater,
  greaterEqual,
  less,
  lessEqual,
  mul,
  type NamedAttrMap,
  reshape,
  sub,
  sum,
  type Tensor,
  type Tensor5D,
} from "@tensorflow/tfjs-core";

const one = (dy: Tensor | Tensor[]): Tensor => (Array.isArray(dy) ? dy[0]! : dy);

/** Sums `dy` [r0*n0, r1*n1, ...] back to [n0, n1, ...], one axis at a time through rank-3 views. */
function sumRepetitions(dy: Tensor, shape: readonly number[]): Tensor {
  let out = dy;
  for (const [axis, n] of shape.entries()) {
    const have = out.shape[axis]!;
    if (have === n) continue;
    const outer = out.shape.slice(0, axis).reduce((a, b) => a * b, 1);
    const inner = out.shape.slice(axis + 1).reduce((a, b) => a * b, 1);
    const next = [...out.shape.slice(0, axis), n, ...out.shape.slice(axis + 1)];
    out = reshape(sum(reshape(out, [outer, have / n, n * inner]), 1), next);
  }
  return out;
}

/** The gradient of a broadcast: summed back to the operand's own shape. */
function sumToShape(g: Tensor, shape: readonly number[]): Tensor {
  const padded = [...Array(g.rank - shape.length).fill(1), ...shape];
  return reshape(sumRepetitions(g, padded), [...shape]);
}

/** An elementwise gradient of two operands, summed over the axes that were broadcast. */
const binary = (
  kernelName: string,
  gradients: (g: Tensor, a: Tensor, b: Tensor) => readonly [() => Tensor, () => Tensor],
): GradConfig => ({
  kernelName,
  inputsToSave: ["a", "b"],
  gradFunc: (dy, saved) => {
    const [a, b] = saved as [Tensor, Tensor];
    const [da, db] = gradients(one(dy), a, b);
    return { a: () => sumToShape(da(), a.shape), b: () => sumToShape(db(), b.shape) };
  },
});

let fixed = false;

/**
 * Registers the gradients that tfjs 4.22 lacks or has wrong on every backend: transposed 3-D convolution (none), tile
 * and broadcastTo on rank 5 (unimplemented), cumsum along another axis than the last (wrong), maximum, minimum and
 * squaredDifference of broadcast operands (not summed back). Once a process.
 */
export function fixGradients(): void {
  if (fixed) return;
  fixed = true;
  replaceSumGradients("webgpu");
  replaceGradient({
    // conv3dTranspose: y = Conv3DBackpropInputV2(dy = x, filter)
    kernelName: "Conv3DBackpropInputV2",
    inputsToSave: ["dy", "filter"],
    gradFunc: (dy, saved, attrs) => {
      const [x, filter] = saved as [Tensor5D, Tensor5D];
      const { pad, strides } = attrs as unknown as { pad: "same" | "valid"; strides: [number, number, number] };
      const g = one(dy) as Tensor5D;
      return {
        dy: () => conv3d(g, filter, strides, pad),
        filter: () =>
          engine().runKernel("Conv3DBackpropFilterV2", { x: g, dy: x }, {
            strides,
            pad,
            filterShape: filter.shape,
          } as unknown as NamedAttrMap) as Tensor,
      };
    },
  });
  replaceGradient({
    kernelName: "Tile",
    inputsToSave: ["x"],
    gradFunc: (dy, saved) => ({ x: () => sumRepetitions(one(dy), saved[0]!.shape) }),
  });
  replaceGradient({
    kernelName: "BroadcastTo",
    inputsToSave: ["x"],
    gradFunc: (dy, saved) => ({ x: () => sumToShape(one(dy), saved[0]!.shape) }),
  });
  replaceGradient(
    binary("Maximum", (g, a, b) => [
      () => mul(g, cast(greaterEqual(a, b), "float32")),
      () => mul(g, cast(less(a, b), "float32")),
    ]),
  );
  replaceGradient(
    binary("Minimum", (g, a, b) => [
      () => mul(g, cast(lessEqual(a, b), "float32")),
      () => mul(g, cast(greater(a, b), "float32")),
    ]),
  );
  replaceGradient(
    binary("SquaredDifference", (g, a, b) => [() => mul(g, mul(2, sub(a, b))), () => mul(g, mul(2, sub(b, a)))]),
  );
  replaceGradient({
    kernelName: "Cumsum",
    gradFunc: (dy, _saved, attrs) => {
      const { axis, exclusive, reverse } = attrs as unknown as { axis: number; exclusive: boolean; reverse: boolean };
      return { x: () => cumsum(one(dy), axis, exclusive, !reverse) };
    },
  });
}
