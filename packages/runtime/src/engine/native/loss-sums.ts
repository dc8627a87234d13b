import {
  FUSED_CORRELATION_ROWS,
  FUSED_SEGMENTATION_SUMS,
  FUSED_SEGMENTATION_SUMS_GRAD,
  FUSED_SOFT_TARGET,
} from "@semiseg/kernels";
import type { TensorInfo } from "@tensorflow/tfjs-core";
import { register, run } from "./operator.js";

/** Losses of rows and of soft targets, with their gradients. */
export function registerSoftLosses(): void {
  register(FUSED_CORRELATION_ROWS, ({ inputs, backend }) => {
    const { zV, zA } = inputs as Record<string, TensorInfo>;
    return run(backend, "SemisegCorrelationRows", [zV!, zA!], 3);
  });
  register(FUSED_SOFT_TARGET, ({ inputs, attrs, backend }) => {
    const { logits, target, mask } = inputs as Record<string, TensorInfo | undefined>;
    return run(backend, "SemisegSoftTarget", [logits!, target!, ...(mask ? [mask] : [])], 2, {
      ints: { masks: mask ? 1 : 0 },
      floats: { cross_entropy: attrs["crossEntropy"], dice: attrs["dice"], smooth: attrs["smooth"] },
      bools: { background: attrs["background"] },
    });
  });
}

/** Sums of segmentation losses in one pass over the voxels, and their gradient. */
export function registerSegmentationSums(): void {
  register(FUSED_SEGMENTATION_SUMS, ({ inputs, backend }) => {
    const { logits, labels } = inputs as Record<string, TensorInfo>;
    return run(backend, "SemisegSegmentationSums", [logits!, labels!], 5);
  });
  register(FUSED_SEGMENTATION_SUMS_GRAD, ({ inputs, backend }) => {
    const names = ["logits", "labels", "dCrossEntropy", "dIntersection", "dSquares", "dSums"];
    return run(
      backend,
      "SemisegSegmentationSumsGradient",
      names.map((name) => inputs[name]!),
      1,
    )[0]!;
  });
}
