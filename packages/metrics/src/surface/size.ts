/** Depth, height and width. */
export type Size = readonly [depth: number, height: number, width: number];
