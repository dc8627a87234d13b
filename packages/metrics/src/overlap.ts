import { checkedPair, type MaskPair } from "./metric-input.js";

/** Voxel counts of a pair of masks. */
export interface Counts {
  readonly both: number;
  readonly truth: number;
  readonly prediction: number;
}

/** Checks a pair of masks and counts its voxels. */
export function countsOf(where: string, pair: MaskPair): Counts {
  const { yTrue, yPred } = checkedPair(where, pair);
  let both = 0;
  let truth = 0;
  let prediction = 0;
  for (let i = 0; i < yTrue.length; i++) {
    const t = yTrue[i]!;
    const p = yPred[i]!;
    truth += t;
    prediction += p;
    both += t & p;
  }
  return { both, truth, prediction };
}

/** `2 |T and P| / (|T| + |P|)`; 1 when both are empty. */
export const diceOf = ({ both, truth, prediction }: Counts): number =>
  truth + prediction === 0 ? 1 : (2 * both) / (truth + prediction);

/** `|T and P| / |T or P|`; 1 when both are empty. */
export const jaccardOf = ({ both, truth, prediction }: Counts): number =>
  truth + prediction === 0 ? 1 : both / (truth + prediction - both);

/** `(|P| - |T|) / |T|`; 0 when both are empty, Infinity when only the truth is. */
export const relativeVolumeOf = ({ truth, prediction }: Counts): number =>
  truth === 0 ? (prediction === 0 ? 0 : Number.POSITIVE_INFINITY) : (prediction - truth) / truth;

/** Dice coefficient, `2 |T and P| / (|T| + |P|)`, in [0, 1]; 1 when both masks are empty, 0 when one is. */
export function dice(pair: MaskPair): number {
  return diceOf(countsOf("dice", pair));
}

/** Jaccard index (intersection over union), in [0, 1]; 1 when both masks are empty, 0 when one is. */
export function jaccard(pair: MaskPair): number {
  return jaccardOf(countsOf("jaccard", pair));
}

/** Relative volume difference `(|P| - |T|) / |T|`: negative for too small a prediction. Infinity when only the truth is empty. */
export function relativeVolumeDifference(pair: MaskPair): number {
  return relativeVolumeOf(countsOf("relativeVolumeDifference", pair));
}
