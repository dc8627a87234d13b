import type { TensorInfo } from "@tensorflow/tfjs-core";
import { type Attrs, float, replace, run, sizeOf } from "./operator.js";

/** [d, h, w] of windows that tile `x` exactly, or null. */
function tiles(x: TensorInfo, attrs: Attrs): readonly number[] | null {
  const { filterSize, strides, pad } = attrs as {
    filterSize: number | number[];
    strides: number | number[];
    pad: unknown;
  };
  const dims = x.shape.length - 2;
  if (!float(x) || (dims !== 2 && dims !== 3) || (pad !== "same" && pad !== "valid" && pad !== 0)) return null;
  const perAxis = (n: number | number[]): number[] => (typeof n === "number" ? Array<number>(dims).fill(n) : n);
  const window = perAxis(filterSize);
  const fits = window.every((n, i) => n === perAxis(strides)[i] && x.shape[i + 1]! % n === 0);
  if (!fits || sizeOf(x) === 0 || window.reduce((a, b) => a * b, 1) > 64) return null;
  return dims === 2 ? [1, ...window] : window;
}

/** Max pooling over windows that tile the tensor. */
export function replacePooling(): void {
  for (const suffix of ["", "3D"]) {
    replace(`MaxPool${suffix}`, ({ inputs, attrs, backend }) => {
      const { x } = inputs as Record<"x", TensorInfo>;
      const window = tiles(x, attrs);
      return window && run(backend, "SemisegMaxPool", [x], 1, { ints: { window } })[0]!;
    });
    replace(`MaxPool${suffix}Grad`, ({ inputs, attrs, backend }) => {
      const { dy, input } = inputs as Record<"dy" | "input", TensorInfo>;
      const window = tiles(input, attrs);
      return window && run(backend, "SemisegMaxPoolGradient", [dy, input], 1, { ints: { window } })[0]!;
    });
  }
}
