import { withoutGradient } from "@semiseg/nn";
import {
  argMax,
  cast,
  equal,
  logicalAnd,
  max,
  reshape,
  scalar,
  softmax,
  type Tensor,
  tidy,
  where,
} from "@tensorflow/tfjs-core";

/** Voxels on which two networks agree, as rows. */
export interface AgreeingVoxels {
  /** int32 `[R]`: the common class, or -1 where the networks (or the labels) differ. */
  readonly labels: Tensor;
  /** `[R]`: the largest probability of the first network. */
  readonly scores: Tensor;
}

/**
 * Where both networks predict the same class and, with `labels`, the right one. No gradient.
 *
 * @param logitsV - `[N,...S,C]` of the vanilla network.
 * @param logitsA - of the auxiliary one.
 * @param labels - int32 `[N,...S]`.
 */
export function agreeingVoxels(logitsV: Tensor, logitsA: Tensor, labels?: Tensor): AgreeingVoxels {
  return withoutGradient(() =>
    tidy(() => {
      const [v, a] = [logitsV, logitsA].map((logits) => reshape(cast(argMax(logits, -1), "int32"), [-1])) as [
        Tensor,
        Tensor,
      ];
      const same = equal(v, a);
      const kept = labels ? logicalAnd(same, equal(v, reshape(labels, [-1]))) : same;
      return { labels: where(kept, v, scalar(-1, "int32")), scores: reshape(max(softmax(logitsV), -1), [-1]) };
    }),
  );
}
