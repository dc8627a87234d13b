import type { Box } from "./box.js";
import type { Size } from "./size.js";

/** Voxel counts of one class in two label maps, and where either has it. */
export interface ClassExtent {
  readonly both: number;
  readonly truth: number;
  readonly prediction: number;
  /** Null when neither map has the class. */
  readonly box: Box | null;
}

/** Counts and boxes of every class but 0 (index = class), in one pass over both label maps. The maps are trusted. */
export function classExtents(
  yTrue: Uint8Array | Int32Array,
  yPred: Uint8Array | Int32Array,
  [d, h, w]: Size,
  numClasses: number,
): ClassExtent[] {
  const truth = new Int32Array(numClasses);
  const prediction = new Int32Array(numClasses);
  const both = new Int32Array(numClasses);
  const first = [d, h, w].map((n) => new Int32Array(numClasses).fill(n));
  const last = [d, h, w].map(() => new Int32Array(numClasses).fill(-1));
  const [z0, y0, x0] = [first[0]!, first[1]!, first[2]!];
  const [z1, y1, x1] = [last[0]!, last[1]!, last[2]!];
  const seen = (c: number, z: number, y: number, x: number): void => {
    if (z < z0[c]!) z0[c] = z;
    z1[c] = z;
    if (y < y0[c]!) y0[c] = y;
    if (y > y1[c]!) y1[c] = y;
    if (x < x0[c]!) x0[c] = x;
    if (x > x1[c]!) x1[c] = x;
  };
  for (let z = 0, i = 0; z < d; z++)
    for (let y = 0; y < h; y++)
      for (let x = 0; x < w; x++, i++) {
        const t = yTrue[i]!;
        const p = yPred[i]!;
        if ((t | p) === 0) continue;
        truth[t]!++;
        prediction[p]!++;
        seen(t, z, y, x);
        if (t === p) both[t]!++;
        else seen(p, z, y, x);
      }
  return Array.from(truth, (count, c) => ({
    both: both[c]!,
    truth: count,
    prediction: prediction[c]!,
    box:
      z1[c]! < 0
        ? null
        : {
            low: [z0[c]!, y0[c]!, x0[c]!],
            size: [z1[c]! - z0[c]! + 1, y1[c]! - y0[c]! + 1, x1[c]! - x0[c]! + 1],
          },
  }));
}
