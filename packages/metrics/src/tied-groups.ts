import type { Mask } from "./metric-input.js";

/** Voxels with the same score. */
export interface TiedGroup {
  readonly score: number;
  readonly count: number;
  /** How many of them the question is about. */
  readonly hits: number;
}

/**
 * Voxels by rising score, equal scores together: what is computed from groups does not depend on the order of voxels.
 *
 * @param isHit - whether the voxel is one that the question is about.
 */
export function* tiedGroups(scores: Mask, isHit: (index: number) => boolean): Generator<TiedGroup> {
  let hits = 0;
  for (let i = 0; i < scores.length; i++) if (isHit(i)) hits++;
  // Two numeric sorts of typed arrays are many times faster than one of indices.
  const [yes, no] = [new Float64Array(hits), new Float64Array(scores.length - hits)];
  for (let i = 0, a = 0, b = 0; i < scores.length; i++)
    if (isHit(i)) yes[a++] = scores[i]!;
    else no[b++] = scores[i]!;
  yes.sort();
  no.sort();
  for (let a = 0, b = 0; a < yes.length || b < no.length; ) {
    const score = Math.min(yes[a] ?? Number.POSITIVE_INFINITY, no[b] ?? Number.POSITIVE_INFINITY);
    const [fromA, fromB] = [a, b];
    while (a < yes.length && yes[a] === score) a++;
    while (b < no.length && no[b] === score) b++;
    yield { score, count: a - fromA + b - fromB, hits: a - fromA };
  }
}
