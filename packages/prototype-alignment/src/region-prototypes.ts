import { checkRank, checkShape } from "@semiseg/errors";
import {
  cast,
  div,
  expandDims,
  greater,
  matMul,
  maximum,
  mul,
  reshape,
  sum,
  type Tensor,
  tidy,
} from "@tensorflow/tfjs-core";

/** Mean features of every class. */
export interface RegionPrototypes {
  /** `[C, F]`; rows that are not valid are 0. */
  readonly prototypes: Tensor;
  /** Whether any sample holds the class. */
  readonly valid: boolean[];
}

/** The same with a tensor in place of the booleans, for use inside losses: nothing is read back. */
export interface MaskedPrototypes {
  readonly prototypes: Tensor;
  /** float32 0/1 `[C]`. */
  readonly valid: Tensor;
}

/**
 * Masked mean of the features per class and sample, then the mean over the samples that hold the class.
 *
 * @param features - `[N, ...S, F]`.
 * @param masks - onehot or soft `[N, ...S, C]`.
 */
export function maskedPrototypes(features: Tensor, masks: Tensor): MaskedPrototypes {
  checkRank("regionPrototypes", "features", features, [3, 4, 5]);
  checkShape("regionPrototypes", "masks", masks, [...features.shape.slice(0, -1), null]);
  return tidy(() => {
    const [n, width] = [features.shape[0]!, features.shape.at(-1)!];
    const classes = masks.shape.at(-1)!;
    const f = reshape(features, [n, features.size / (n * width), width]);
    const m = reshape(masks, [n, masks.size / (n * classes), classes]);
    const mass = sum(m, 1); // [N, C]
    const held = cast(greater(mass, 0), "float32");
    const means = div(matMul(m, f, true, false), expandDims(maximum(mass, 1e-12), -1)); // [N, C, F]
    const count = sum(held, 0); // [C]
    const total = sum(mul(means, expandDims(held, -1)), 0);
    return { prototypes: div(total, expandDims(maximum(count, 1), -1)), valid: cast(greater(count, 0), "float32") };
  });
}

/** {@link maskedPrototypes} with the validity read back. Differentiable in the features and soft masks. */
export function regionPrototypes(features: Tensor, masks: Tensor): RegionPrototypes {
  const { prototypes, valid } = maskedPrototypes(features, masks);
  const flags = Array.from(valid.dataSync(), (v) => v > 0);
  valid.dispose();
  return { prototypes, valid: flags };
}
