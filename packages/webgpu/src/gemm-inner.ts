/** 0 to n - 1. */
export const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Takes both operands' powers of two out of a result, in two steps: their product may pass float32's range. */
export const UNSCALE = " * unscale.x * unscale.y";

/**
 * How the tiles in workgroup memory are multiplied, as statements of `main`. `tileA` holds `[depth][rows]` and `tileB`
 * `[depth][columns]`; `thread`, `firstRow`, `firstColumn`, `split` and, with float16, `unscale` are known.
 */
export interface GemmInner {
  readonly declarations?: string;
  /** Accumulators, all zero. */
  readonly begin: string;
  /** Adds the product of the tiles that are in workgroup memory. */
  readonly multiply: string;
  /** Hands every result to `store`, of rows and columns that exist. */
  readonly end: string;
}
