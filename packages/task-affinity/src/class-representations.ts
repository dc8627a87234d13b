import { checkChoice, checkRank, checkShape, ShapeError } from "@semiseg/errors";
import { matMul, reshape, sum, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { PAIRINGS, type Pairing, type PooledClasses, pooledClasses } from "./pooled-classes.js";

/** Pooled features of every class, with what they were pooled from. */
export interface ClassRepresentations extends PooledClasses {
  readonly features: Tensor;
  readonly guide: Tensor;
}

/** Options of {@link classRepresentations}. */
export interface ClassRepresentationsOptions {
  /** Default `batch`. */
  readonly pairing?: Pairing;
}

/** `[N, ...S, C]` as `[N, V, C]`. */
export function asRows(x: Tensor): Tensor {
  const [n, width] = [x.shape[0]!, x.shape.at(-1)!];
  return reshape(x, [n, x.size / Math.max(1, n * width), width]);
}

/**
 * One vector per class: features averaged under a guide, `sum_v F_v g_vk / (sum_v g_vk + 1e-6)`, as one matrix product
 * of guide and features, whatever the resolution.
 *
 * @param features - `[N, ...S, F]`.
 * @param guide - ground truth or soft prediction `[N, ...S, K]`, at the features' resolution.
 * @throws ShapeError when the guide does not match the features.
 * @see Chen et al., "Semi-supervised unpaired medical image segmentation through task-affinity consistency" (TAC), IEEE TMI 2023.
 */
export function classRepresentations(
  features: Tensor,
  guide: Tensor,
  options: ClassRepresentationsOptions = {},
): ClassRepresentations {
  const { pairing = "batch" } = options;
  checkRank("classRepresentations", "features", features, [3, 4, 5]);
  if (guide.shape[0] !== features.shape[0])
    throw new ShapeError(
      `classRepresentations: guide must hold the ${features.shape[0]} samples of features, received ${guide.shape[0] ?? "a scalar"}: labels guide the labelled half of the features, predictions the unlabelled half`,
    );
  checkShape("classRepresentations", "guide", guide, [...features.shape.slice(0, -1), null]);
  checkChoice("classRepresentations", "pairing", pairing, PAIRINGS);
  const pooled = tidy(() => {
    const rows = asRows(guide);
    return { ...pooledClasses(matMul(rows, asRows(features), true, false), sum(rows, 1), pairing) };
  });
  return { ...pooled, features, guide };
}
