import { type WebGPUBackend, webgpu_util } from "@tensorflow/tfjs-backend-webgpu";
import type { TensorInfo } from "@tensorflow/tfjs-core";

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
  const size = x.shape.reduce((a, b) => a * b, 1);
  const inner = x.shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const dispatchLayout = webgpu_util.flatDispatchLayout([size]);
  const workgroupSize: [number, number, number] = [64, 1, 1];
  const program = {
    variableNames: ["x"],
    outputShape: [size],
    workgroupSize,
    dispatchLayout,
    dispatch: webgpu_util.computeDispatch(dispatchLayout, [size], workgroupSize),
    size: true,
    uniforms: "count : i32, inner : i32,",
    shaderKey: `semiseg_scan_${operation}_${exclusive}_${reverse}`,
    getUserCode: () => `
      fn main(index : i32) {
        if (index < uniforms.size) {
          let at = (index / uniforms.inner) % uniforms.count;
          let row = index - at * uniforms.inner;
          let first = ${reverse ? `at${exclusive ? " + 1" : ""}` : "0"};
          let end = ${reverse ? "uniforms.count" : `at${exclusive ? "" : " + 1"}`};
          var value = ${operation === "+" ? "0.0" : "1.0"};
          for (var i = first; i < end; i = i + 1) { value = value ${operation} f32(getX(row + i * uniforms.inner)); }
          setOutputAtIndex(index, value);
        }
      }`,
  };
  const flat = { dataId: x.dataId, dtype: x.dtype, shape: [size] };
  const out = backend.runWebGPUProgram(program, [flat], x.dtype, [
    { type: "int32", data: [x.shape[axis]!] },
    { type: "int32", data: [inner] },
  ]);
  return { ...out, shape: x.shape };
}
