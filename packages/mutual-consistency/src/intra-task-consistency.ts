import { checkNumber, checkSameShape, checkShape } from "@semiseg/errors";
import { mul, type Scalar, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { meanSquares } from "./mean-squares.js";

/** Arguments of {@link intraTaskConsistency}. */
export interface IntraTaskConsistencyArguments {
  /** Probabilities `[N, ...S, C]`. */
  readonly student: Tensor;
  /** Probabilities of the same shape; a target, so give it without gradient. */
  readonly teacher: Tensor;
  /** float32 0/1 `[N, ...S]`; only voxels with 1 count. Default: all. */
  readonly mask?: Tensor;
  /** Factor in front. Default 0.5, as UG-MCL has it. */
  readonly scale?: number;
}

/**
 * Masked mean squared difference of student and teacher:
 *
 *   scale * sum(M (p_s - p_t)^2) / (C sum(M) + 1e-16)
 *
 * 0 with a zero gradient when the mask is empty.
 *
 * @returns Scalar, differentiable in both.
 * @see Zhang et al., "Uncertainty-guided mutual consistency learning" (UG-MCL), arXiv:2112.02508, intra-task consistency;
 *   Yu et al. (UA-MT), MICCAI 2019, equation 4.
 */
export function intraTaskConsistency(args: IntraTaskConsistencyArguments): Scalar {
  const { student, teacher, mask, scale = 0.5 } = args;
  checkSameShape("intraTaskConsistency", "student", student, "teacher", teacher);
  checkNumber("intraTaskConsistency", "scale", scale, { min: 0 });
  if (mask) checkShape("intraTaskConsistency", "mask", mask, student.shape.slice(0, -1));
  return tidy(() => mul(meanSquares(student, teacher, mask), scale) as Scalar);
}
