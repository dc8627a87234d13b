/** WebAssembly SIMD kernels for 3-D convolution and its gradients, on the TensorFlow.js wasm backend. @packageDocumentation */
export * from "./register-wasm-kernels.js";
