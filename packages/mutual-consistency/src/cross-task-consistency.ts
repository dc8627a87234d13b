import { checkNumber, checkShape, ShapeError } from "@semiseg/errors";
import { type Scalar, slice, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { distanceToProbability } from "./distance-to-probability.js";
import { meanSquares } from "./mean-squares.js";

/** Arguments of {@link crossTaskConsistency}. */
export interface CrossTaskConsistencyArguments {
  /** Signed distances of the foreground classes, `[N, ...S, C-1]`. */
  readonly distance: Tensor;
  /** Probabilities `[N, ...S, C]`; the foreground ones are compared. */
  readonly probs: Tensor;
  /** float32 0/1 `[N, ...S]`. Default: all voxels. */
  readonly mask?: Tensor;
  /** Default 1500. */
  readonly steepness?: number;
}

/**
 * Mean squared difference between the mask that a distance map stands for and the segmentation, over foreground
 * classes; gradients into both. With a mask, `sum(M sq) / ((C-1) sum(M) + 1e-16)`.
 *
 * @see Zhang et al. (UG-MCL), arXiv:2112.02508, cross-task consistency; Luo et al. (DTC), AAAI 2021, equation 4.
 */
export function crossTaskConsistency(args: CrossTaskConsistencyArguments): Scalar {
  const { distance, probs, mask, steepness = 1500 } = args;
  const classes = probs.shape.at(-1)!;
  checkNumber("crossTaskConsistency", "steepness", steepness, { above: 0 });
  if (classes < 2)
    throw new ShapeError(
      `crossTaskConsistency: probs must have at least 2 classes, received [${probs.shape.join(", ")}]`,
    );
  checkShape("crossTaskConsistency", "distance", distance, [...probs.shape.slice(0, -1), classes - 1]);
  if (mask) checkShape("crossTaskConsistency", "mask", mask, probs.shape.slice(0, -1));
  return tidy(() => {
    const begin = [...Array(probs.rank - 1).fill(0), 1];
    const foreground = slice(probs, begin, [...probs.shape.slice(0, -1), classes - 1]);
    return meanSquares(distanceToProbability(distance, { steepness }), foreground, mask);
  });
}
