import { DISTANCE } from "./distance-binary.js";
import type { Size } from "./size.js";

interface Exports {
  readonly __heap_base: { readonly value: number };
  prepare(seeds: number, before: number, after: number, d: number, plane: number): void;
  lines(at: number, n: number, spacing: number): void;
  step(seeds: number, before: number, after: number, plane: number): void;
  slice(
    depth: number,
    squared: number,
    columns: number,
    line: number,
    h: number,
    w: number,
    spacingDepth: number,
    spacingHeight: number,
  ): void;
  rows(seeds: number, squared: number, out: number, line: number, h: number, w: number, spacing: number): void;
  points(
    squared: number,
    voxels: number,
    out: number,
    line: number,
    start: number,
    first: number,
    end: number,
    w: number,
    spacing: number,
  ): void;
}

interface Memory {
  readonly buffer: ArrayBuffer;
}

// Neither Node's nor the ES library's types declare WebAssembly's values; DOM's would bring the browser in.
const { WebAssembly: wasm } = globalThis as unknown as {
  readonly WebAssembly?: {
    Module: new (bytes: Uint8Array) => object;
    Memory: new (limits: { initial: number; maximum: number }) => Memory;
    Instance: new (module: object, imports: object) => { readonly exports: object };
  };
};

const PAGE = 65536;
/** Below this many voxels the start of an instance costs more than it saves. */
const WORTH = 1 << 15;

/** The kernel's own memory, that its stack and constants start with. */
const OWN_PAGES = 2;

interface Compiled {
  readonly module: object;
  /** First byte after the kernel's stack and constants. */
  readonly heapBase: number;
}

let compiled: Compiled | null | undefined;

/** The compiled kernel; null where the runtime has no WebAssembly SIMD or does not compile on this thread. */
function kernelOf(): Compiled | null {
  if (compiled !== undefined) return compiled;
  compiled = null;
  try {
    if (wasm) {
      const module = new wasm.Module(Uint8Array.from(atob(DISTANCE), (c) => c.charCodeAt(0)));
      const memory = new wasm.Memory({ initial: OWN_PAGES, maximum: OWN_PAGES });
      const { exports } = new wasm.Instance(module, { env: { memory } });
      compiled = { module, heapBase: (exports as Exports).__heap_base.value };
    }
  } catch {
    // The same in JavaScript, at half the speed: see squared-distances.ts.
  }
  return compiled;
}

/** One volume's pass through the kernel; memory is given up with it. */
export interface DistancePass {
  /** Goes one slice back and finds the squared distances within the plane of the first two axes there. */
  slice(z: number, wanted: boolean): void;
  /** Distances of all voxels of the current slice; valid until the next call. */
  rows(z: number): Float32Array;
  /** Distances of the voxels `first` to `end` of the current slice. */
  points(z: number, first: number, end: number): void;
  /** What {@link DistancePass.points} found, in the order of the voxels. */
  readonly found: Float64Array;
}

/**
 * Starts a pass over a volume, or gives null where JavaScript is to do it.
 *
 * @param seeds - flags, C order of `size`.
 * @param voxels - indices for {@link DistancePass.points}, ascending.
 */
export function distancePass(
  seeds: Uint8Array,
  [d, h, w]: Size,
  spacing: readonly number[],
  voxels?: Int32Array,
): DistancePass | null {
  const own = seeds.length >= WORTH && d < 65535 ? kernelOf() : null;
  if (!own || !wasm) return null;
  const plane = h * w;
  const count = voxels?.length ?? 0;
  const line = (n: number): number => 36 * n + 8;
  const sizes = [
    8 * plane,
    8 * 8 * h,
    line(h),
    line(w),
    8 * count,
    voxels ? 0 : 4 * plane,
    4 * count,
    2 * d * plane,
    2 * plane,
    d * plane,
  ];
  let end = own.heapBase;
  const places = sizes.map((bytes) => {
    const at = Math.ceil(end / 16) * 16;
    end = at + bytes;
    return at;
  });
  const pages = Math.max(OWN_PAGES, Math.ceil(end / PAGE));
  if (pages > 65535) return null;
  const memory = new wasm.Memory({ initial: pages, maximum: pages });
  const kernel = new wasm.Instance(own.module, { env: { memory } }).exports as Exports;
  const [squared, columns, lineH, lineW, out, row, at, before, after, flags] = places as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  new Uint8Array(memory.buffer, flags, seeds.length).set(seeds);
  if (voxels) new Int32Array(memory.buffer, at, count).set(voxels);
  kernel.prepare(flags, before, after, d, plane);
  kernel.lines(lineH, h, spacing[1]!);
  kernel.lines(lineW, w, spacing[2]!);
  return {
    slice(z, wanted) {
      kernel.step(flags + z * plane, before + 2 * z * plane, after, plane);
      if (wanted) kernel.slice(before + 2 * z * plane, squared, columns, lineH, h, w, spacing[0]!, spacing[1]!);
    },
    rows(z) {
      kernel.rows(flags + z * plane, squared, row, lineW, h, w, spacing[2]!);
      return new Float32Array(memory.buffer, row, plane);
    },
    points(z, first, last) {
      kernel.points(squared, at, out, lineW, z * plane, first, last, w, spacing[2]!);
    },
    found: new Float64Array(memory.buffer, out, count),
  };
}
