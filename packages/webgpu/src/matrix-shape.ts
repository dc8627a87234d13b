import { BackendError } from "@semiseg/errors";
import type { MatrixShape } from "./gemm-tile.js";

/** Subgroup matrices are not standard yet: the names are Chromium's. */
export const MATRIX_FEATURE = "chromium-experimental-subgroup-matrix";

/** One product that the adapter's subgroups can do: `M x K` times `K x N`. */
interface MatrixConfig {
  readonly componentType: string;
  readonly resultComponentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

interface Adapter {
  readonly features: ReadonlySet<string>;
  readonly info: GPUAdapterInfo & {
    readonly subgroupMaxSize?: number;
    readonly subgroupMatrixConfigs?: Iterable<MatrixConfig>;
  };
}

/**
 * The largest subgroup matrices of float16 operands and float32 sums that tiles can be made of.
 *
 * @param name - the adapter's, for messages.
 * @throws BackendError when the adapter has none.
 */
export function matrixShape({ features, info }: Adapter, name: string): MatrixShape {
  const lack = (what: string): BackendError =>
    new BackendError(
      `initWebgpu: subgroupMatrices needs ${what}, which the adapter lacks (${name}): leave subgroupMatrices out, or use a GPU and driver with cooperative matrices, in Chromium with --enable-unsafe-webgpu`,
    );
  for (const feature of [MATRIX_FEATURE, "subgroups"]) if (!features.has(feature)) throw lack(feature);
  const [best] = [...(info.subgroupMatrixConfigs ?? [])]
    .filter(
      ({ componentType, resultComponentType, M, N, K }) =>
        componentType === "f16" && resultComponentType === "f32" && [M, N, K].every((n) => n === 8 || n === 16),
    )
    .sort((a, b) => b.M * b.N * b.K - a.M * a.N * a.K);
  if (!best) throw lack("subgroup matrices of float16 with float32 sums, 8 or 16 a side");
  const subgroup = info.subgroupMaxSize ?? 0;
  if (![4, 8, 16, 32, 64, 128].includes(subgroup)) throw lack("subgroups of 4 to 128 threads");
  return { rows: best.M, columns: best.N, terms: best.K, subgroup };
}
