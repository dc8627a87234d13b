import { FUSED_SEGMENTATION_SUMS, FUSED_SEGMENTATION_SUMS_GRAD, hasKernel } from "@semiseg/kernels";
import {
  cast,
  concat,
  customGrad,
  engine,
  logSoftmax,
  mul,
  neg,
  reshape,
  slice,
  softmax,
  square,
  stack,
  sum,
  type Tensor,
  tidy,
} from "@tensorflow/tfjs-core";
import { onehotOf } from "./onehot.js";

/** What cross-entropy and Dice are made of, summed over all voxels. */
export interface SegmentationSums {
  /** `sum_v -ln p_{v,y_v}`, Scalar. */
  readonly crossEntropy: Tensor;
  /** `[C]`: sums of p*y, p^2, p and y. */
  readonly intersection: Tensor;
  readonly squares: Tensor;
  readonly sums: Tensor;
  readonly counts: Tensor;
}

/**
 * Cross-entropy and Dice sums of logits against hard labels, differentiable in the logits: two passes over the voxels
 * forward and backward where the engine has the fused kernel.
 *
 * @param labels - int32 `[N, ...S]`.
 * @param logits - `[N, ...S, C]`.
 */
export function segmentationSums(labels: Tensor, logits: Tensor): SegmentationSums {
  const classes = logits.shape.at(-1)!;
  const fused = hasKernel(FUSED_SEGMENTATION_SUMS) && classes <= 64;
  // One differentiable vector [1 + 4 C], taken apart afterwards: tfjs's custom gradients have a single output.
  const vector = fused ? fusedVector(labels, logits) : composedVector(labels, logits);
  const part = (i: number): Tensor => slice(vector, [1 + i * classes], [classes]);
  return {
    crossEntropy: reshape(slice(vector, [0], [1]), []),
    intersection: part(0),
    squares: part(1),
    sums: part(2),
    counts: part(3),
  };
}

function composedVector(labels: Tensor, logits: Tensor): Tensor {
  return tidy(() => {
    const classes = logits.shape.at(-1)!;
    const rows = logits.size / classes;
    const flat = reshape(logits, [rows, classes]);
    const onehot = onehotOf(reshape(labels, [rows]), classes);
    const p = softmax(flat);
    const crossEntropy = neg(sum(mul(onehot, logSoftmax(flat))));
    const perClass = stack([sum(mul(p, onehot), 0), sum(square(p), 0), sum(p, 0), sum(onehot, 0)]);
    return join(crossEntropy, reshape(perClass, [4 * classes]));
  });
}

function fusedVector(labels: Tensor, logits: Tensor): Tensor {
  const integers = labels.dtype === "int32" ? labels : cast(labels, "int32");
  return customGrad((...inputs: unknown[]) => {
    const [z, save] = inputs as [Tensor, (tensors: Tensor[]) => void];
    const classes = z.shape.at(-1)!;
    const [crossEntropy, ...perClass] = engine().runKernel(FUSED_SEGMENTATION_SUMS, {
      logits: z,
      labels: integers,
    }) as unknown as [Tensor, ...Tensor[]];
    save([z, integers]);
    return {
      value: join(crossEntropy, reshape(stack(perClass), [4 * classes])),
      gradFunc: (dy: Tensor, saved: Tensor[]) => {
        const part = (i: number): Tensor => slice(dy, [1 + i * classes], [classes]);
        return engine().runKernel(FUSED_SEGMENTATION_SUMS_GRAD, {
          logits: saved[0]!,
          labels: saved[1]!,
          dCrossEntropy: reshape(slice(dy, [0], [1]), []),
          dIntersection: part(0),
          dSquares: part(1),
          dSums: part(2),
        }) as Tensor;
      },
    };
  })(logits);
}

const join = (scalar: Tensor, vector: Tensor): Tensor => concat([reshape(scalar, [1]), vector]);
