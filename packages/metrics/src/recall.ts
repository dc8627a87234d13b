import type { MaskPair } from "./metric-input.js";
import { type Counts, countsOf } from "./overlap.js";

/** From counts: see {@link recall}. */
export const recallOf = ({ both, truth, prediction }: Counts): number =>
  truth === 0 ? (prediction === 0 ? 1 : 0) : both / truth;

/**
 * Share of the truth that is found (sensitivity), `|T and P| / |T|`, in [0, 1]; 1 when both masks are empty, 0 when one
 * is.
 */
export function recall(pair: MaskPair): number {
  return recallOf(countsOf("recall", pair));
}
