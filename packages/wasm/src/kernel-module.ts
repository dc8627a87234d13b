import { BackendError } from "@semiseg/errors";
import { RELAXED_SIMD, SIMD } from "./binaries.js";

type Kernel = (...args: number[]) => void;

/** The instantiated kernels and their memory. */
export interface KernelModule {
  /** Whether fused multiply-add (relaxed SIMD) is in use. */
  readonly relaxed: boolean;
  /** Byte offsets of `counts` float32 blocks, 16-byte aligned; the memory grows as needed. Earlier blocks are given up. */
  allocate(...counts: readonly number[]): number[];
  floats(offset: number, count: number): Float32Array;
  readonly pad: Kernel;
  readonly conv3d: Kernel;
  readonly filterGradient: Kernel;
  readonly interleave: Kernel;
}

const PAGE = 65536;

// Neither Node's nor the ES library's types declare WebAssembly's values; DOM's would bring the browser in.
const { WebAssembly: wasm } = globalThis as unknown as {
  readonly WebAssembly: {
    validate(bytes: Uint8Array): boolean;
    Memory: new (limits: {
      initial: number;
      maximum: number;
    }) => { readonly buffer: ArrayBuffer; grow(pages: number): number };
    instantiate(bytes: Uint8Array, imports: object): Promise<{ readonly instance: { readonly exports: object } }>;
  };
};

const bytes = (base64: string): Uint8Array<ArrayBuffer> => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));

/** Node 20 has relaxed SIMD behind a flag that can be set while running; elsewhere it is on or absent. */
async function allowRelaxedSimd(): Promise<void> {
  if (typeof process === "undefined" || !process.versions?.node) return;
  const v8 = await import("node:v8");
  v8.setFlagsFromString("--experimental-wasm-relaxed-simd");
}

let loading: Promise<KernelModule> | undefined;

/**
 * Instantiates the kernels, once: relaxed SIMD where the runtime has it, plain SIMD otherwise.
 *
 * @throws BackendError when the runtime has no WebAssembly SIMD.
 */
export function loadKernelModule(): Promise<KernelModule> {
  loading ??= instantiate();
  return loading;
}

async function instantiate(): Promise<KernelModule> {
  let binary = bytes(RELAXED_SIMD);
  let relaxed = wasm.validate(binary);
  if (!relaxed) {
    await allowRelaxedSimd().catch(() => undefined);
    relaxed = wasm.validate(binary);
  }
  if (!relaxed) binary = bytes(SIMD);
  if (!wasm.validate(binary))
    throw new BackendError(
      "loadKernelModule: this runtime has no WebAssembly SIMD; use Node 20 or a browser from 2021 or later",
    );
  const memory = new wasm.Memory({ initial: 64, maximum: 65536 });
  const { instance } = await wasm.instantiate(binary, { env: { memory } });
  const exports = instance.exports as Record<string, Kernel> & { __heap_base: { readonly value: number } };
  const base = exports.__heap_base.value;
  return {
    relaxed,
    allocate: (...counts) => {
      let end = base;
      const offsets = counts.map((count) => {
        const offset = (end + 63) & ~63;
        // The kernels may load whole vectors at the end of a block.
        end = offset + 4 * count + 64;
        return offset;
      });
      const missing = Math.ceil((end - memory.buffer.byteLength) / PAGE);
      if (missing > 0) {
        try {
          memory.grow(missing);
        } catch (cause) {
          throw new BackendError(
            `WebAssembly memory cannot grow to ${Math.ceil(end / 2 ** 20)} MiB (limit 4096): use smaller patches or batches`,
            { cause },
          );
        }
      }
      return offsets;
    },
    floats: (offset, count) => new Float32Array(memory.buffer, offset, count),
    pad: exports["pad"]!,
    conv3d: exports["conv3d"]!,
    filterGradient: exports["filter_gradient"]!,
    interleave: exports["interleave"]!,
  };
}
