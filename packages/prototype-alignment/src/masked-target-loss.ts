import { FUSED_MASKED_TARGET, hasKernel } from "@semiseg/kernels";
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

/** Added above and below the line of Dice. */
export const SMOOTH = 1e-8;

/** Arguments of {@link maskedTargetLoss}. */
export interface MaskedTargetLossArguments {
  /** `[N, ...S, C]`. */
  readonly logits: Tensor;
  /** One-hot or soft `[N, ...S, C]`, rows sum to 1; a constant. */
  readonly target: Tensor;
  /** float32 0/1 `[N, ...S]`; absent for all voxels. */
  readonly mask?: Tensor | undefined;
  /** Factor of the cross-entropy per voxel. */
  readonly crossEntropy: number;
  /** Softmax of the logits, where it is at hand. */
  readonly probs?: Tensor | undefined;
}

function fused({ logits, target, mask, crossEntropy }: MaskedTargetLossArguments): Scalar {
  const loss = customGrad((...inputs: unknown[]) => {
    const [z, save] = inputs as [Tensor, (tensors: Tensor[]) => void];
    const [value, slope] = engine().runKernel(
      FUSED_MASKED_TARGET,
      { logits: z, target, ...(mask ? { mask } : {}) },
      { crossEntropy, smooth: SMOOTH },
    ) as Tensor[];
    save([slope!]);
    return { value: value!, gradFunc: (dy: Tensor, saved: Tensor[]) => mul(saved[0]!, dy) };
  });
  return tidy(() => loss(logits)) as Scalar;
}

/**
 * `0.5 (f CE + Dice)` over the voxels of the mask with its gradient in the logits: one softmax and a dozen passes over
 * the voxels for both, where cross-entropy and Dice by themselves take several times as many.
 */
export function maskedTargetLoss(args: MaskedTargetLossArguments): Scalar {
  const { logits, target, mask, crossEntropy, probs } = args;
  const classes = logits.shape.at(-1)!;
  const rows = logits.size / classes;
  // The kernel holds the classes of a block of voxels at a time, at most 64.
  if (classes <= 64 && hasKernel(FUSED_MASKED_TARGET)) return fused(args);
  const loss = customGrad((...inputs: unknown[]) => {
    const [z, save] = inputs as [Tensor, (tensors: Tensor[]) => void];
    const p = reshape(probs ?? softmax(z), [rows, classes]);
    const t = reshape(target, [rows, classes]);
    const counted = (mask ? reshape(mask, [1, rows]) : ones([1, rows])) as Tensor2D;
    /** Sums per class over the counted voxels. */
    const summed = (x: Tensor): Tensor => reshape(matMul(counted, x as Tensor2D), [classes]);
    const count = maximum(sum(counted), 1);
    const hit = mul(p, t);
    const both = add(mul(summed(hit), 2), SMOOTH);
    const size = add(add(summed(p), summed(t)), SMOOTH);
    const entropy = sum(summed(mul(t, log(maximum(p, 1e-37)))));
    // Background does not count in Dice.
    const foreground = tensor1d(Array.from({ length: classes }, (_, c) => (c === 0 ? 0 : 0.5 / (classes - 1))));
    const dice = sum(mul(foreground, sub(1, div(both, size))));
    const share = div(0.5 * crossEntropy, count);
    // Dice's slope in p is `a t + b`; through the softmax `p (g - sum p g)`, and `p - t` of the cross-entropy.
    const a = mul(foreground, div(-2, size));
    const b = mul(foreground, div(div(both, size), size));
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
