import { checkNumber } from "@semiseg/errors";
import { addN, div, maximum, mul, type Scalar, sqrt, square, sum, type Tensor, tidy } from "@tensorflow/tfjs-core";
import type { NamedGradients } from "./optimizer.js";

/**
 * Scales all gradients by min(1, maxNorm / norm), norm being the Euclidean norm of all of them together.
 *
 * @returns new tensors and the norm before clipping; the caller disposes both, and still owns what it passed.
 */
export function clipByGlobalNorm(
  gradients: NamedGradients,
  maxNorm: number,
): { readonly gradients: Map<string, Tensor>; readonly norm: Scalar } {
  checkNumber("clipByGlobalNorm", "maxNorm", maxNorm, { above: 0 });
  const entries = (gradients instanceof Map ? [...gradients] : Object.entries(gradients)) as [string, Tensor][];
  const [norm, ...clipped] = tidy(() => {
    const squares = entries.map(([, g]) => sum(square(g)));
    const total = squares.length > 0 ? sqrt(addN(squares)) : sum([0]);
    const factor = div(maxNorm, maximum(total, maxNorm));
    return [total as Tensor, ...entries.map(([, g]) => mul(g, factor))];
  });
  return { gradients: new Map(entries.map(([name], i) => [name, clipped[i]!])), norm: norm as Scalar };
}
