import { checkNumber } from "@semiseg/errors";
import { mul, sigmoid, type Tensor, tidy } from "@tensorflow/tfjs-core";

/** Options of {@link distanceToProbability}. */
export interface DistanceToProbabilityOptions {
  /** Default 1500. */
  readonly steepness?: number;
}

/** Smooth inverse of a signed distance map, `sigmoid(-k z)`: 1 inside, 0.5 on the boundary, 0 outside (DTC, AAAI 2021, equation 3). */
export function distanceToProbability(distance: Tensor, options: DistanceToProbabilityOptions = {}): Tensor {
  const { steepness = 1500 } = options;
  checkNumber("distanceToProbability", "steepness", steepness, { above: 0 });
  return tidy(() => sigmoid(mul(distance, -steepness)));
}
