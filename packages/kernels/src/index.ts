/** Names and contracts of the fused kernels that an engine may register. @packageDocumentation */
export * from "./cache-folder.js";
export * from "./contracts.js";
export * from "./has-kernel.js";
export * from "./reads-at-once.js";
export * from "./replace-gradient.js";
export * from "./replace-kernel.js";
export * from "./replace-sum-gradients.js";
