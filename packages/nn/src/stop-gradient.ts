import { clone, type Tensor } from "@tensorflow/tfjs-core";
import { withoutGradient } from "./without-gradient.js";

/** The same values as a constant: no gradient flows into `x` through the result. */
export function stopGradient<T extends Tensor>(x: T): T {
  return withoutGradient(() => clone(x));
}
