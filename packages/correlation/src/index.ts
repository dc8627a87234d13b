/** Cross-sample mutual attention and omni-correlation consistency (CAML). @packageDocumentation */
export * from "./correlation-matrix.js";
export * from "./cross-sample-mutual-attention.js";
export * from "./embedding-head.js";
export * from "./labeled-memory-bank.js";
export * from "./omni-correlation-consistency.js";
export * from "./omni-correlation-term.js";
export * from "./top-confident.js";
