/** Values in ordinary memory: `data` in C order of `shape`. */
export interface HostArray {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}
