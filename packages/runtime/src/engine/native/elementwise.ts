import { type TensorInfo, util } from "@tensorflow/tfjs-core";
import { float, replace, run, sizeOf } from "./operator.js";

/**
 * How `small` meets `full` when broadcast to it: `full` as [outer, mid, inner], `small` as [outer, 1, inner]. Null for
 * shapes that do not broadcast to `full`'s, or in more than one place.
 */
export function broadcastPattern(
  full: readonly number[],
  small: readonly number[],
): { readonly mid: number; readonly inner: number } | null {
  if (small.length > full.length) return null;
  const padded = [...Array.from({ length: full.length - small.length }, () => 1), ...small];
  let [mid, inner] = [1, 1];
  // From the last axis on: kept axes are `inner`, then repeated ones `mid`, then kept ones again.
  let region: "inner" | "mid" | "outer" = "inner";
  for (let axis = full.length - 1; axis >= 0; axis--) {
    const [n, own] = [full[axis]!, padded[axis]!];
    if (own !== n && own !== 1) return null;
    if (n === 1) continue;
    if (own === n) {
      if (region === "mid") region = "outer";
      if (region === "inner") inner *= n;
    } else {
      if (region === "outer") return null;
      region = "mid";
      mid *= n;
    }
  }
  return { mid, inner };
}

/** Smaller tensors stay with TensorFlow's own kernels, which take as long for them. */
const WORTH = 4096;

/** Sums over middle axes are ours for at most so many sets of them. */
const MOST_OUTER = 16;

/** Codes of `Binary` in native/kernels.h: with the full tensor first, and with it second. */
const BINARY = { Add: [0, 0], Sub: [1, 4], Multiply: [2, 2], RealDiv: [3, 5] } as const;

/** Elementwise arithmetic, sums and softmax: wide passes on all threads instead of Eigen's narrow ones. */
export function replaceElementwise(): void {
  for (const [kernel, [forward, swapped]] of Object.entries(BINARY))
    replace(kernel, ({ inputs, backend }) => {
      const { a, b } = inputs as Record<"a" | "b", TensorInfo>;
      const [sizeA, sizeB] = [sizeOf(a), sizeOf(b)];
      if (!float(a, b) || Math.max(sizeA, sizeB) < WORTH || sizeA === 0 || sizeB === 0) return null;
      const swap = sizeB > sizeA || (sizeB === sizeA && b.shape.length > a.shape.length);
      const [full, small] = swap ? [b, a] : [a, b];
      const pattern = broadcastPattern(full.shape, small.shape);
      if (!pattern) return null;
      const ints = { operation: swap ? swapped : forward, ...pattern };
      return run(backend, "SemisegBinary", [full, small], 1, { ints })[0]!;
    });
  // Attributes in place of the tensors of shapes and axes that the stock kernels make for each call.
  replace("Reshape", ({ inputs, attrs, backend }) => {
    const { x } = inputs as Record<"x", TensorInfo>;
    const size = sizeOf(x);
    if (!float(x) || size === 0) return null;
    const shape = util.inferFromImplicitShape(attrs["shape"] as number[], size);
    if (util.sizeFromShape(shape) !== size) return null;
    return run(backend, "SemisegReshape", [x], 1, { ints: { shape } })[0]!;
  });
  replace("Tile", ({ inputs, attrs, backend }) => {
    const { x } = inputs as Record<"x", TensorInfo>;
    const reps = attrs["reps"] as number[];
    const shape = x.shape.map((n, i) => n * reps[i]!);
    if (!float(x) || sizeOf(x) === 0 || reps.some((n, i) => n !== 1 && x.shape[i] !== 1)) return null;
    const pattern = broadcastPattern(shape, x.shape);
    return pattern && run(backend, "SemisegBroadcast", [x], 1, { ints: { shape, ...pattern } })[0]!;
  });
  replace("Softmax", ({ inputs, backend }) => {
    const { logits } = inputs as Record<"logits", TensorInfo>;
    if (!float(logits) || sizeOf(logits) < WORTH) return null;
    return run(backend, "SemisegSoftmax", [logits], 1)[0]!;
  });
  replace("Sum", ({ inputs, attrs, backend }) => {
    const { x } = inputs as Record<"x", TensorInfo>;
    const rank = x.shape.length;
    if (!float(x) || sizeOf(x) === 0) return null;
    const { axis, keepDims } = attrs as { axis: number | number[] | null; keepDims: boolean };
    const axes = util.parseAxisParam(axis as number | number[], x.shape).sort((p, q) => p - q);
    if (axes.length === 0 || axes.some((a, i) => a !== axes[0]! + i)) return null;
    const trailing = axes.at(-1) === rank - 1;
    const outer = trailing && axes[0] !== 0 ? 1 : util.sizeFromShape(x.shape.slice(0, axes[0]));
    // Many short sums are not what our passes are made for.
    if (outer > MOST_OUTER) return null;
    const shape = x.shape.flatMap((n, i) => (axes.includes(i) ? (keepDims ? [1] : []) : [n]));
    const rows = trailing && axes[0] !== 0;
    return run(backend, "SemisegSum", [x], 1, { ints: { shape, outer }, bools: { rows } })[0]!;
  });
}
