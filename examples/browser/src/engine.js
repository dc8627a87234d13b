import { registerWasmKernels } from "@semiseg/wasm";
import { initWebgpu } from "@semiseg/webgpu";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-core/dist/register_all_gradients";

/**
 * WebGPU where the browser has it, else WebAssembly; `wanted` forces one of them.
 *
 * @returns what was chosen and, for WebAssembly, why not WebGPU; `check` throws when the GPU has reported a fault.
 */
export async function startEngine(wanted) {
  let reason = "asked for";
  if (wanted !== "wasm")
    try {
      const { device, software, guard } = await initWebgpu();
      return {
        name: "webgpu",
        text: `WebGPU on ${device}${software ? " (software)" : ""}`,
        check: () => guard.flush(),
      };
    } catch (error) {
      if (wanted === "webgpu") throw error;
      reason = error.message;
    }
  setWasmPaths(new URL("./", import.meta.url).href);
  const { relaxed } = await registerWasmKernels();
  await tf.setBackend("wasm");
  await tf.ready();
  return {
    name: "wasm",
    text: `WebAssembly SIMD${relaxed ? ", relaxed" : ""} (no WebGPU: ${reason})`,
    check: async () => {},
  };
}
