import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import type { TensorInfo } from "@tensorflow/tfjs-core";
import { runFlat, sizeOf } from "./flat-program.js";

/**
 * WGSL of the power of two, as its exponent, that brings numbers with a largest exponent (`largestExponent`) to 2^14: far
 * from both ends of what float16 holds, and exact.
 */
export const shiftOf = (exponent: string): string => `clamp(141 - i32(${exponent}), -126, 126)`;

/** A float32 tensor as float16 times the power of {@link shiftOf}, two numbers in a word: int32 `[size / 2]`, rounded up. */
export function packHalf(backend: WebGPUBackend, x: TensorInfo, exponent: TensorInfo): TensorInfo {
  const count = sizeOf(x.shape);
  return runFlat(backend, {
    key: "pack_half",
    inputs: { x, exponent },
    shape: [Math.ceil(count / 2)],
    dtype: "int32",
    uniforms: "count : i32,",
    values: [{ type: "int32", data: [count] }],
    body: `
      let scale = bitcast<f32>(u32(127 + ${shiftOf("getExponent(0)")}) << 23u);
      let at = 2 * index;
      var second = 0.0;
      if (at + 1 < uniforms.count) { second = getX(at + 1); }
      setOutputAtIndexI32(index, bitcast<i32>(vec2<f16>(f16(getX(at) * scale), f16(second * scale))));`,
  });
}
