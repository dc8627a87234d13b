import { OptionError } from "@semiseg/errors";
import { checkGrid, type MaskPair } from "./metric-input.js";
import { countsOf } from "./overlap.js";

/**
 * Volume of the prediction minus volume of the truth, in ml: negative for too small a prediction.
 *
 * @throws OptionError without `spacing` or in two dimensions, where there is no volume in ml.
 */
export function volumeError(pair: MaskPair): number {
  const spacing = checkGrid("volumeError", pair.shape, pair.spacing);
  if (pair.spacing === undefined || spacing.length !== 3)
    throw new OptionError(
      `volumeError: spacing must hold three sizes in mm for a volume in ml, received ${JSON.stringify(pair.spacing)}`,
    );
  const { truth, prediction } = countsOf("volumeError", pair);
  return ((prediction - truth) * spacing.reduce((a, b) => a * b, 1)) / 1000;
}
