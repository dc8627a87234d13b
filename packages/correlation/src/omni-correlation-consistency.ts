import { checkSameShape } from "@semiseg/errors";
import { stopGradient } from "@semiseg/nn";
import { add, div, log, mul, type Scalar, sub, sum, type Tensor, tidy } from "@tensorflow/tfjs-core";

/** Arguments of {@link omniCorrelationConsistency}. */
export interface OmniCorrelationArguments {
  /** Correlations of the auxiliary network, the target, `[R, M]`. */
  readonly correlationA: Tensor;
  /** Correlations of the vanilla network, same rows and columns. */
  readonly correlationV: Tensor;
  /** Keep gradients out of the target. Default false, as the published code. */
  readonly detachTarget?: boolean;
}

/**
 * Cross-entropy between two correlation matrices, `-mean_r sum_j a_rj ln(v_rj + 1e-8)`; 0 without rows.
 *
 * @see Gao et al. (CAML), MICCAI 2023, equation 4.
 */
export function omniCorrelationConsistency(args: OmniCorrelationArguments): Scalar {
  const { correlationA, correlationV, detachTarget = false } = args;
  checkSameShape("omniCorrelationConsistency", "correlationA", correlationA, "correlationV", correlationV);
  return tidy(() => {
    const target = detachTarget ? stopGradient(correlationA) : correlationA;
    return div(sub(0, sum(mul(target, log(add(correlationV, 1e-8))))), Math.max(1, correlationA.shape[0]!)) as Scalar;
  });
}
