import { stopGradient } from "@semiseg/nn";
import { div, maximum, type Scalar, tidy } from "@tensorflow/tfjs-core";

/** `loss / stopGradient(loss)`: value 1, gradient that of ln(loss); the denominator is at least 1e-8. */
export function normalizedLoss(loss: Scalar): Scalar {
  return tidy(() => div(loss, maximum(stopGradient(loss), 1e-8)) as Scalar);
}
