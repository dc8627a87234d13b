import { add, div, expandDims, sum, type Tensor, tidy, transpose } from "@tensorflow/tfjs-core";

/**
 * How class vectors are pooled: `batch` over all samples, `code` per sample with the batch's mass below (as the released
 * code), `sample` per sample with the sample's own mass (masked average pooling).
 */
export type Pairing = "batch" | "code" | "sample";

/** Every {@link Pairing}. */
export const PAIRINGS: readonly Pairing[] = ["batch", "code", "sample"];

/** Pooled features of every class. */
export interface PooledClasses {
  /** `[K, F]` for `batch`, `[K, N, F]` otherwise. */
  readonly vectors: Tensor;
  /** Sum of the guide: `[K]` for `batch`, `[K, N]` otherwise. */
  readonly mass: Tensor;
}

/** Class vectors from sums under the guide `[N, K, F]` and the guide's own sums `[N, K]`. */
export function pooledClasses(sums: Tensor, masses: Tensor, pairing: Pairing): PooledClasses {
  return tidy(() => {
    if (pairing === "batch") {
      const mass = sum(masses, 0);
      return { vectors: div(sum(sums, 0), expandDims(add(mass, 1e-6), -1)), mass };
    }
    const mass = transpose(masses);
    const below = pairing === "code" ? sum(mass, 1, true) : mass;
    return { vectors: div(transpose(sums, [1, 0, 2]), expandDims(add(below, 1e-6), -1)), mass };
  });
}
