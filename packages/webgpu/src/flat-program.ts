import { type WebGPUBackend, webgpu_util } from "@tensorflow/tfjs-backend-webgpu";
import type { DataType, TensorInfo } from "@tensorflow/tfjs-core";

/** A program of one thread per number of its result. */
export interface FlatProgram {
  /** Everything that the source depends on. */
  readonly key: string;
  /** By the names that the body reads them with: `getX(i)` for x. All of them are read. */
  readonly inputs: Readonly<Record<string, TensorInfo>>;
  readonly shape: readonly number[];
  readonly dtype: DataType;
  /** Declarations, each ended by a comma, and their values in the same order. */
  readonly uniforms: string;
  readonly values: readonly { readonly type: string; readonly data: number[] }[];
  readonly functions?: string;
  /** Statements that set the result's number at `index`. */
  readonly body: string;
}

/** Number of elements. */
export const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/**
 * Runs a program whose tensors are read and written through flat views, so that any rank works, rank 5 (a struct without
 * indexing in stock tfjs) included.
 */
export function runFlat(backend: WebGPUBackend, program: FlatProgram): TensorInfo {
  const { key, inputs, shape, dtype, uniforms, values, functions = "", body } = program;
  const size = sizeOf(shape);
  const dispatchLayout = webgpu_util.flatDispatchLayout([size]);
  const workgroupSize: [number, number, number] = [64, 1, 1];
  const own = {
    variableNames: Object.keys(inputs),
    outputShape: [size],
    workgroupSize,
    dispatchLayout,
    dispatch: webgpu_util.computeDispatch(dispatchLayout, [size], workgroupSize),
    size: true,
    uniforms,
    shaderKey: `semiseg_${key}`,
    getUserCode: () => `${functions}
      fn main(index : i32) { if (index < uniforms.size) { ${body} } }`,
  };
  const flat = Object.values(inputs).map((x) => ({ dataId: x.dataId, dtype: x.dtype, shape: [sizeOf(x.shape)] }));
  const out = backend.runWebGPUProgram(own, flat, dtype, [...values]);
  return { ...out, shape: [...shape] };
}
