import { checkChoice, checkRank, checkShape } from "@semiseg/errors";
import { add, div, expandDims, matMul, reshape, sum, type Tensor, tidy, transpose } from "@tensorflow/tfjs-core";

/**
 * How class vectors are pooled: `batch` over all samples, `code` per sample with the batch's mass below (as the released
 * code), `sample` per sample with the sample's own mass (masked average pooling).
 */
export type Pairing = "batch" | "code" | "sample";

/** Pooled features of every class, with what they were pooled from. */
export interface ClassRepresentations {
  /** `[K, F]` for `batch`, `[K, N, F]` otherwise. */
  readonly vectors: Tensor;
  /** Sum of the guide: `[K]` for `batch`, `[K, N]` otherwise. */
  readonly mass: Tensor;
  readonly features: Tensor;
  readonly guide: Tensor;
}

/** Options of {@link classRepresentations}. */
export interface ClassRepresentationsOptions {
  /** Default `batch`. */
  readonly pairing?: Pairing;
}

/**
 * One vector per class: features averaged under a guide, `sum_v F_v g_vk / (sum_v g_vk + 1e-6)`.
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
  checkShape("classRepresentations", "guide", guide, [...features.shape.slice(0, -1), null]);
  checkChoice("classRepresentations", "pairing", pairing, ["batch", "code", "sample"]);
  const pooled = tidy(() => {
    const [n, width] = [features.shape[0]!, features.shape.at(-1)!];
    const classes = guide.shape.at(-1)!;
    const f = reshape(features, [n, features.size / (n * width), width]);
    const g = reshape(guide, [n, guide.size / (n * classes), classes]);
    const sums = transpose(matMul(g, f, true, false), [1, 0, 2]); // [K, N, F]
    const masses = transpose(sum(g, 1)); // [K, N]
    if (pairing === "batch") {
      const mass = sum(masses, 1);
      return { vectors: div(sum(sums, 1), expandDims(add(mass, 1e-6), -1)), mass };
    }
    const below = pairing === "code" ? sum(masses, 1, true) : masses;
    return { vectors: div(sums, expandDims(add(below, 1e-6), -1)), mass: masses };
  });
  return { ...pooled, features, guide };
}
