import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import type { TensorInfo } from "@tensorflow/tfjs-core";
import { runFlat } from "./flat-program.js";

/** Options of {@link scan}, as tfjs's cumsum and cumprod name them. */
export interface ScanOptions {
  readonly axis: number;
  readonly exclusive: boolean;
  readonly reverse: boolean;
  readonly operation: "+" | "*";
}

/** Cumulative sum or product along one axis of a tensor of any rank: each output folds its own prefix. */
export function scan(backend: WebGPUBackend, x: TensorInfo, options: ScanOptions): TensorInfo {
  const { axis, exclusive, reverse, operation } = options;
  const inner = x.shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  return runFlat(backend, {
    key: `scan_${operation}_${exclusive}_${reverse}`,
    inputs: { x },
    shape: x.shape,
    dtype: x.dtype,
    uniforms: "count : i32, inner : i32,",
    values: [x.shape[axis]!, inner].map((n) => ({ type: "int32", data: [n] })),
    body: `
      let at = (index / uniforms.inner) % uniforms.count;
      let row = index - at * uniforms.inner;
      let first = ${reverse ? `at${exclusive ? " + 1" : ""}` : "0"};
      let end = ${reverse ? "uniforms.count" : `at${exclusive ? "" : " + 1"}`};
      var value = ${operation === "+" ? "0.0" : "1.0"};
      for (var i = first; i < end; i = i + 1) { value = value ${operation} f32(getX(row + i * uniforms.inner)); }
      setOutputAtIndex(index, value);`,
  });
}
