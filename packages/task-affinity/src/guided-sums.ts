import {
  concat,
  customGrad,
  type GradSaveFunc,
  matMul,
  reshape,
  slice,
  type Tensor,
  tidy,
} from "@tensorflow/tfjs-core";
import type { AffinityGuide } from "./affinity-guides.js";
import { asRows } from "./class-representations.js";

/**
 * `sum_v F_v g_vk` `[N, K, F]` of both halves at once, without a copy of either half of the features: one matrix product
 * forward, one back into the features and one into the unlabelled guide unless that is constant.
 *
 * @param features - `[N, ...s, F]`, labelled samples first.
 */
export function guidedSums(features: Tensor, guide: AffinityGuide, detachGuide: boolean): Tensor {
  const count = guide.labeled.shape[0]!;
  const rest = features.shape[0]! - count;
  const half = (t: Tensor): Tensor => slice(t, [count, 0, 0], [rest, t.shape[1]!, t.shape[2]!]);
  const product = customGrad((...inputs: unknown[]) => {
    const [f, save] = [inputs[0] as Tensor, inputs.at(-1) as GradSaveFunc];
    const rows = asRows(concat([guide.labeled, guide.unlabeled], 0));
    save([f, rows]);
    return {
      value: matMul(rows, asRows(f), true, false),
      gradFunc: (dy: Tensor, saved: Tensor[]) => {
        const [seen, under] = saved as [Tensor, Tensor];
        const toFeatures = reshape(matMul(under, dy), seen.shape);
        if (detachGuide) return [toFeatures];
        const toGuide = matMul(half(asRows(seen)), half(dy), false, true);
        return [toFeatures, reshape(toGuide, guide.unlabeled.shape)];
      },
    };
  });
  return tidy(() => (detachGuide ? product(features) : product(features, guide.unlabeled)));
}
