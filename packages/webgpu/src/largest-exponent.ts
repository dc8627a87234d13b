import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import type { TensorInfo } from "@tensorflow/tfjs-core";
import { runFlat, sizeOf } from "./flat-program.js";

/** Numbers that a thread looks at: every pass leaves so many times fewer. */
const EACH = 256;

/**
 * The largest biased exponent of a float32 tensor's finite numbers, as a float32 tensor `[1]`: 127 for a largest magnitude
 * in [1, 2), 0 when all are 0.
 */
export function largestExponent(backend: WebGPUBackend, x: TensorInfo): TensorInfo {
  let count = sizeOf(x.shape);
  let known: TensorInfo | null = null;
  do {
    const size = Math.ceil(count / EACH);
    const most = runFlat(backend, {
      key: `largest_exponent_${known === null}`,
      inputs: { x: known ?? x },
      shape: [size],
      dtype: "float32",
      uniforms: "count : i32,",
      values: [{ type: "int32", data: [count] }],
      functions: `fn exponentOf(v : f32) -> f32 {
        let exponent = (bitcast<u32>(v) >> 23u) & 0xffu;
        return f32(select(exponent, 0u, exponent == 0xffu));
      }`,
      body: `var most = 0.0;
        for (var i = index; i < uniforms.count; i += uniforms.size) {
          most = max(most, ${known === null ? "exponentOf(getX(i))" : "getX(i)"});
        }
        setOutputAtIndex(index, most);`,
    });
    if (known) backend.disposeData(known.dataId);
    known = most;
    count = size;
  } while (count > 1);
  return known;
}
