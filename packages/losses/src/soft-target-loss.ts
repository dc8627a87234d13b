import { checkNumber, checkRank, checkSameShape, checkShape, ShapeError } from "@semiseg/errors";
import { FUSED_SOFT_TARGET, hasKernel } from "@semiseg/kernels";
import {
  add,
  customGrad,
  div,
  engine,
  log,
  matMul,
  maximum,
  mul,
  ones,
  reshape,
  type Scalar,
  softmax,
  sub,
  sum,
  type Tensor,
  type Tensor2D,
  tensor1d,
  tidy,
} from "@tensorflow/tfjs-core";

/** Options of {@link softTargetLoss}. */
export interface SoftTargetLossOptions {
  /** Factor of the cross-entropy per voxel. Default 0.5. */
  readonly crossEntropyWeight?: number;
  /** Factor of Dice. Default 0.5. */
  readonly diceWeight?: number;
  /** Count class 0 in Dice. Default false. */
  readonly includeBackground?: boolean;
  /** Added above and below the line of Dice. Default 1e-5. */
  readonly smooth?: number;
  /** float32 0/1 `[N, ...S]`; only voxels with 1 count. Default: all. */
  readonly mask?: Tensor | undefined;
  /** Softmax of the logits, where it is at hand. */
  readonly probs?: Tensor | undefined;
}

type Resolved = Required<Omit<SoftTargetLossOptions, "mask" | "probs">>;

/** Both the loss and its gradient from one kernel. */
function fused(target: Tensor, logits: Tensor, mask: Tensor | undefined, options: Resolved): Scalar {
  const { crossEntropyWeight, diceWeight, includeBackground, smooth } = options;
  const loss = customGrad((...inputs: unknown[]) => {
    const [z, save] = inputs as [Tensor, (tensors: Tensor[]) => void];
    const [value, slope] = engine().runKernel(
      FUSED_SOFT_TARGET,
      { logits: z, target, ...(mask ? { mask } : {}) },
      { crossEntropy: crossEntropyWeight, dice: diceWeight, background: includeBackground, smooth },
    ) as Tensor[];
    save([slope!]);
    return { value: value!, gradFunc: (dy: Tensor, saved: Tensor[]) => mul(saved[0]!, dy) };
  });
  return tidy(() => loss(logits)) as Scalar;
}

/**
 * Cross-entropy and Dice with plain sums of logits against one-hot or soft targets, over the voxels of a mask:
 *
 *   w_ce / |K| sum_{v in K} -sum_c t_vc ln p_vc + w_dice mean_c (1 - (2 sum_v p t + s) / (sum_v p + sum_v t + s))
 *
 * computed with its gradient in one softmax and a dozen passes over the voxels, one kernel where the engine has it. An
 * empty mask gives a cross-entropy of 0 and Dice of 0.
 *
 * @param yTrue - `[N, ...S, C]`, rows that sum to 1; a constant, no gradient flows into it.
 * @param logits - same shape.
 * @throws ShapeError when the shapes do not belong together or there is no class to count; OptionError for a bad option.
 * @see Milletari, Navab, Ahmadi, "V-Net", 3DV 2016, arXiv:1606.04797, section 3, for Dice.
 */
export function softTargetLoss(yTrue: Tensor, logits: Tensor, options: SoftTargetLossOptions = {}): Scalar {
  const { crossEntropyWeight = 0.5, diceWeight = 0.5, includeBackground = false, smooth = 1e-5, mask, probs } = options;
  const where = "softTargetLoss";
  checkRank(where, "logits", logits, [2, 3, 4, 5]);
  checkSameShape(where, "yTrue", yTrue, "logits", logits);
  if (mask) checkShape(where, "mask", mask, logits.shape.slice(0, -1));
  if (probs) checkSameShape(where, "probs", probs, "logits", logits);
  checkNumber(where, "crossEntropyWeight", crossEntropyWeight, { min: 0 });
  checkNumber(where, "diceWeight", diceWeight, { min: 0 });
  checkNumber(where, "smooth", smooth, { min: 0 });
  const classes = logits.shape.at(-1)!;
  const counting = includeBackground ? classes : classes - 1;
  if (counting < 1)
    throw new ShapeError(
      `${where}: logits must have a foreground class beside the background, received [${logits.shape.join(", ")}]`,
    );
  const resolved = { crossEntropyWeight, diceWeight, includeBackground, smooth };
  // The kernel holds the classes of a block of voxels at a time, at most 64.
  if (classes <= 64 && hasKernel(FUSED_SOFT_TARGET)) return fused(yTrue, logits, mask, resolved);
  const rows = logits.size / classes;
  const loss = customGrad((...inputs: unknown[]) => {
    const [z, save] = inputs as [Tensor, (tensors: Tensor[]) => void];
    const p = reshape(probs ?? softmax(z), [rows, classes]);
    const t = reshape(yTrue, [rows, classes]);
    const counted = (mask ? reshape(mask, [1, rows]) : ones([1, rows])) as Tensor2D;
    /** Sums per class over the counted voxels. */
    const summed = (x: Tensor): Tensor => reshape(matMul(counted, x as Tensor2D), [classes]);
    const count = maximum(sum(counted), 1);
    const hit = mul(p, t);
    const both = add(mul(summed(hit), 2), smooth);
    const size = add(add(summed(p), summed(t)), smooth);
    const entropy = sum(summed(mul(t, log(maximum(p, 1e-37)))));
    const weights = tensor1d(
      Array.from({ length: classes }, (_, c) => (c === 0 && !includeBackground ? 0 : diceWeight / counting)),
    );
    const dice = sum(mul(weights, sub(1, div(both, size))));
    const share = div(crossEntropyWeight, count);
    // Dice's slope in p is `a t + b`; through the softmax `p (g - sum p g)`, and `p - t` of the cross-entropy.
    const a = mul(weights, div(-2, size));
    const b = mul(weights, div(div(both, size), size));
    const onto = (x: Tensor, w: Tensor): Tensor => matMul(x as Tensor2D, reshape(w, [classes, 1]) as Tensor2D);
    const mean = add(onto(hit, a), onto(p, b));
    const slope = sub(add(mul(hit, a), mul(p, sub(add(b, share), mean))), mul(t, share));
    save([reshape(mask ? mul(slope, reshape(counted, [rows, 1])) : slope, z.shape)]);
    return {
      value: sub(dice, mul(entropy, share)),
      gradFunc: (dy: Tensor, saved: Tensor[]) => mul(saved[0]!, dy),
    };
  });
  return tidy(() => loss(logits)) as Scalar;
}
