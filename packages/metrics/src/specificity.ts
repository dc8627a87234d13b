import type { MaskPair } from "./metric-input.js";
import { type Counts, countsOf } from "./overlap.js";

/** From counts and the number of voxels: see {@link specificity}. */
export const specificityOf = ({ both, truth, prediction }: Counts, voxels: number): number =>
  truth === voxels ? 1 : (voxels - truth - prediction + both) / (voxels - truth);

/**
 * Share of the background that is left alone, `|not T and not P| / |not T|`, in [0, 1]; 1 when there is no background.
 * It grows with the field of view: compare it within one protocol only.
 */
export function specificity(pair: MaskPair): number {
  return specificityOf(countsOf("specificity", pair), pair.yTrue.length);
}
