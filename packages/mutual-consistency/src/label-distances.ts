import { signedDistances } from "./signed-distances.js";

/** Labels of a batch, as arrays. */
export interface LabelBatch {
  /** Classes, C order of `[N, ...S]`. */
  readonly labels: ArrayLike<number>;
  /** `[N, ...S]`. */
  readonly shape: readonly number[];
  /** Background included. */
  readonly numClasses: number;
}

/** Signed distances of every foreground class of a batch of labels, `[N, ...S, C-1]`; a class that a sample lacks is +1. */
export function labelDistances({ labels, shape, numClasses }: LabelBatch, out: Float32Array): void {
  const [samples, ...space] = shape as [number, ...number[]];
  const size = space.reduce((a, b) => a * b, 1);
  const mask = new Uint8Array(size);
  const maps = numClasses - 1;
  for (let n = 0; n < samples; n++)
    for (let c = 1; c < numClasses; c++) {
      for (let i = 0, from = n * size; i < size; i++) mask[i] = labels[from + i] === c ? 1 : 0;
      const map = signedDistances(mask, space);
      for (let i = 0, to = n * size * maps + c - 1; i < size; i++, to += maps) out[to] = map[i]!;
    }
}
