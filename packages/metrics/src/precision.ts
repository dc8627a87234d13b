import type { MaskPair } from "./metric-input.js";
import { type Counts, countsOf } from "./overlap.js";

/** From counts: see {@link precision}. */
export const precisionOf = ({ both, truth, prediction }: Counts): number =>
  prediction === 0 ? (truth === 0 ? 1 : 0) : both / prediction;

/** Share of the prediction that is true, `|T and P| / |P|`, in [0, 1]; 1 when both masks are empty, 0 when one is. */
export function precision(pair: MaskPair): number {
  return precisionOf(countsOf("precision", pair));
}
