import { checkChoice, checkNumber, checkRank, checkSameShape, ShapeError } from "@semiseg/errors";
import {
  add,
  cast,
  div,
  greater,
  maximum,
  mean,
  mul,
  reshape,
  type Scalar,
  slice,
  square,
  sub,
  sum,
  type Tensor,
  tidy,
} from "@tensorflow/tfjs-core";

/** Options of {@link diceLoss}. */
export interface DiceLossOptions {
  /** Denominator of squares (Milletari) instead of plain sums. Default true. */
  readonly squaredPred?: boolean;
  /** Added above and below. Default 1e-5. */
  readonly smooth?: number;
  /** Count class 0. Default false. */
  readonly includeBackground?: boolean;
  /** Over classes. Default `mean`; `none` gives `[classes]`. */
  readonly reduction?: "mean" | "sum" | "none";
  /** Leave out classes that `yTrue` does not hold: of a mean and a sum; `none` has 0 for them. Default false. */
  readonly presentOnly?: boolean;
  /** float32 0/1 `[N, ...S]`; only voxels with 1 count. Default: all. */
  readonly mask?: Tensor;
}

/** Dice loss per class from its sums: `1 - (2 I + s) / (P + T + s)`. All `[C]`. */
export function diceFromSums(intersection: Tensor, predicted: Tensor, truth: Tensor, smooth: number): Tensor {
  return tidy(() => sub(1, div(add(mul(intersection, 2), smooth), add(add(predicted, truth), smooth))));
}

/** Reduces a loss per class `[C]`; `present` `[C]`, above 0 for the classes that count. */
export function reduceClasses(
  perClass: Tensor,
  {
    includeBackground,
    reduction,
    present,
  }: Required<Pick<DiceLossOptions, "includeBackground" | "reduction">> & {
    readonly present?: Tensor | undefined;
  },
): Tensor {
  return tidy(() => {
    const counted = (x: Tensor): Tensor => (includeBackground ? reshape(x, x.shape) : slice(x, [1], [x.size - 1]));
    const losses = counted(perClass);
    const held = present && cast(greater(counted(present), 0), "float32");
    const kept = held ? mul(losses, held) : losses;
    if (reduction === "none") return kept;
    if (reduction === "sum") return sum(kept);
    return held ? div(sum(kept), maximum(sum(held), 1)) : mean(kept);
  });
}

/**
 * Soft Dice loss, sums taken over batch and space jointly, one value per class:
 *
 *   L_c = 1 - (2 sum_v p_vc y_vc + s) / (sum_v p_vc^2 + sum_v y_vc^2 + s)
 *
 * and without `squaredPred` the plain sums of p and y below. A class that is nowhere, in truth and prediction, has loss 0.
 *
 * @param yTrue - onehot `[N, ...S, C]`, possibly soft.
 * @param yPred - probabilities, same shape.
 * @returns Scalar (or `[classes]` with reduction `none`), differentiable in both.
 * @throws ShapeError when the shapes differ or there is no foreground class; OptionError for a bad option.
 * @see Milletari, Navab, Ahmadi, "V-Net", 3DV 2016, arXiv:1606.04797, section 3.
 */
export function diceLoss(yTrue: Tensor, yPred: Tensor, options: DiceLossOptions = {}): Scalar {
  const { squaredPred = true, smooth = 1e-5, includeBackground = false, reduction = "mean" } = options;
  const { presentOnly = false, mask } = options;
  checkRank("diceLoss", "yPred", yPred, [2, 3, 4, 5]);
  checkSameShape("diceLoss", "yTrue", yTrue, "yPred", yPred);
  checkNumber("diceLoss", "smooth", smooth, { min: 0 });
  checkChoice("diceLoss", "reduction", reduction, ["mean", "sum", "none"]);
  const classes = yPred.shape.at(-1)!;
  if (!includeBackground && classes < 2)
    throw new ShapeError(
      `diceLoss: yPred must have a foreground class beside the background, received [${yPred.shape.join(", ")}]: set includeBackground for a single channel`,
    );
  return tidy(() => {
    const rows = yPred.size / classes;
    let [p, t] = [reshape(yPred, [rows, classes]), reshape(yTrue, [rows, classes])];
    if (mask) {
      const m = reshape(mask, [rows, 1]);
      [p, t] = [mul(p, m), mul(t, m)];
    }
    const size = (x: Tensor): Tensor => sum(squaredPred ? square(x) : x, 0);
    const truth = size(t);
    const perClass = diceFromSums(sum(mul(p, t), 0), size(p), truth, smooth);
    return reduceClasses(perClass, {
      includeBackground,
      reduction,
      present: presentOnly ? truth : undefined,
    }) as Scalar;
  });
}
