/** Values that transforms move without interpolation. */
export type GridValues = Float32Array | Uint8Array;

/** `[...S]` as exactly three sizes: planes get a leading axis of 1. */
export function asThree<T>(values: readonly T[], filler: T): [T, T, T] {
  return values.length === 2 ? [filler, values[0]!, values[1]!] : [values[0]!, values[1]!, values[2]!];
}

export const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);

/** An array of the same kind. */
export function sameKind<T extends GridValues>(like: T, length: number): T {
  return (like instanceof Float32Array ? new Float32Array(length) : new Uint8Array(length)) as T;
}
