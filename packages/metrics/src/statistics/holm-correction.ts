import { OptionError } from "@semiseg/errors";

/**
 * Holm's step-down correction of several p values: sorted upwards, the i-th (from 0) times `m - i`, never falling, at
 * most 1. Controls the chance of any false finding among all of them.
 *
 * @returns Corrected p values in the order of the input.
 * @throws OptionError for a value outside [0, 1].
 * @see Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 1979.
 */
export function holmCorrection(pValues: readonly number[]): number[] {
  if (!pValues.every((p) => p >= 0 && p <= 1))
    throw new OptionError(`holmCorrection: pValues must lie in [0, 1], received ${pValues.join(", ")}`);
  const order = pValues.map((_, i) => i).sort((i, j) => pValues[i]! - pValues[j]!);
  const corrected = Array<number>(pValues.length).fill(0);
  let largest = 0;
  for (const [position, i] of order.entries()) {
    largest = Math.max(largest, Math.min(1, pValues[i]! * (pValues.length - position)));
    corrected[i] = largest;
  }
  return corrected;
}
