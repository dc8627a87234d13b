import { fortranToC } from "../bytes/reorder.js";
import { ARRAYS, dataTypeOf, type StoredType, typedValues } from "../bytes/typed-values.js";
import type { TypedArray } from "../types.js";

/**
 * Values of a file that has its first axis fastest, in C order of `shape`. With several components per voxel the file
 * has them fastest of all; they become the last axis.
 */
export function fortranValues(
  name: string,
  bytes: Uint8Array,
  stored: StoredType,
  littleEndian: boolean,
  shape: readonly number[],
  components = 1,
): { data: TypedArray; shape: number[] } {
  const raw = typedValues(name, bytes, stored, littleEndian);
  const kind = ARRAYS[dataTypeOf(raw)];
  if (components === 1) return { data: fortranToC(raw, new kind(raw.length), shape), shape: [...shape] };
  const inC = fortranToC(raw, new kind(raw.length), [components, ...shape]);
  const data = new kind(raw.length);
  const voxels = raw.length / components;
  for (let c = 0; c < components; c++) for (let v = 0; v < voxels; v++) data[v * components + c] = inC[c * voxels + v]!;
  return { data, shape: [...shape, components] };
}
