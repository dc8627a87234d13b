import { FUSED_LINEAR, FUSED_LINEAR_GRAD } from "@semiseg/kernels";
import { type TensorInfo, util } from "@tensorflow/tfjs-core";
import { float, register, replace, run, sizeOf } from "./operator.js";

/** Matrix products with a side of at most so many numbers are ours; larger ones are what TensorFlow is made for. */
const SHORT_SIDE = 64;

/** Matrix products with a short side, and affine maps. */
export function replaceProducts(): void {
  replace("BatchMatMul", ({ inputs, attrs, backend }) => {
    const { a, b } = inputs as Record<"a" | "b", TensorInfo>;
    const { transposeA, transposeB } = attrs as { transposeA: boolean; transposeB: boolean };
    const rank = a.shape.length;
    if (!float(a, b) || rank < 2 || b.shape.length !== rank || sizeOf(a) === 0 || sizeOf(b) === 0) return null;
    const [batchA, batchB] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
    const one = (batch: readonly number[]): boolean => batch.every((n) => n === 1);
    if (!one(batchA) && !one(batchB) && !util.arraysEqual(batchA, batchB)) return null;
    const sides = [...a.shape.slice(-2), b.shape.at(transposeB ? -2 : -1)!];
    if (Math.min(...sides) > SHORT_SIDE) return null;
    const bools = { transpose_a: transposeA, transpose_b: transposeB };
    return run(backend, "SemisegMatMul", [a, b], 1, { bools })[0]!;
  });
  register(FUSED_LINEAR, ({ inputs, backend }) => {
    const { x, weight, bias } = inputs as Record<string, TensorInfo | undefined>;
    const ints = { biases: bias ? 1 : 0 };
    return run(backend, "SemisegLinear", [x!, weight!, ...(bias ? [bias] : [])], 1, { ints })[0]!;
  });
  register(FUSED_LINEAR_GRAD, ({ inputs, backend }) => {
    const { dy, x, weight } = inputs as Record<string, TensorInfo>;
    return run(backend, "SemisegLinearGradient", [dy!, x!, weight!], 3);
  });
}
