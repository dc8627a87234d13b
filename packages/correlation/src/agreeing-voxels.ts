import { withoutGradient } from "@semiseg/nn";
import {
  addN,
  argMax,
  cast,
  dispose,
  equal,
  exp,
  greater,
  max,
  maximum,
  reciprocal,
  reshape,
  scalar,
  slice,
  softmax,
  sub,
  type Tensor,
  tidy,
  unstack,
  where,
} from "@tensorflow/tfjs-core";

/** Largest number of classes that is gone through one by one. */
const FEW = 8;

/** int32 `[R]`: the class with the largest logit, the first one of equals; `logits` `[R, C]`. */
function predictedClass(logits: Tensor): Tensor {
  if (logits.shape[1]! > FEW) return cast(argMax(logits, -1), "int32");
  // Engines are slow at reducing rows of a few numbers; whole columns are quick.
  const [first, ...others] = unstack(logits, 1) as [Tensor, ...Tensor[]];
  let best = first;
  let classes: Tensor = scalar(0, "int32");
  for (const [i, own] of others.entries()) {
    classes = where(greater(own, best), scalar(i + 1, "int32"), classes);
    best = maximum(own, best);
  }
  return classes;
}

/** `[R]`: the largest probability of each row. */
function confidence(logits: Tensor): Tensor {
  if (logits.shape[1]! > FEW) return max(softmax(logits), -1);
  const columns = unstack(logits, 1);
  const best = columns.reduce((a, b) => maximum(a, b));
  return reciprocal(addN(columns.map((own) => exp(sub(own, best)))));
}

/** What two networks say of the same batch, in host memory. */
export interface AgreeingVoxels {
  /** For each voxel of the batch the class that both predict, or -1 where they differ. */
  readonly classes: Int32Array;
  /** The first network's largest probability, of the voxels from `from` on. */
  readonly scores: Float32Array;
}

/** {@link AgreeingVoxels} on the engine: classes and scores. */
function agreement(logitsV: Tensor, logitsA: Tensor, from: number): [Tensor, Tensor] {
  const width = logitsV.shape.at(-1)!;
  const rows = logitsV.size / width;
  return withoutGradient(() =>
    tidy(() => {
      const v = reshape(logitsV, [rows, width]);
      const own = predictedClass(v);
      const same = equal(own, predictedClass(reshape(logitsA, [rows, width])));
      return [where(same, own, scalar(-1, "int32")), confidence(slice(v, [from, 0], [rows - from, width]))];
    }),
  ) as [Tensor, Tensor];
}

const read = (classes: unknown, scores: unknown): AgreeingVoxels => ({
  classes: classes as Int32Array,
  scores: scores as Float32Array,
});

/**
 * Where two networks predict the same class, and how sure the first one is. No gradient.
 *
 * @param logitsV - `[N,...S,C]` of the vanilla network.
 * @param logitsA - of the auxiliary one.
 * @param from - scores are wanted of the voxels from this one on.
 */
export function agreeingVoxels(logitsV: Tensor, logitsA: Tensor, from: number): AgreeingVoxels {
  const [classes, scores] = agreement(logitsV, logitsA, from);
  // Read outside of tidy, which would look for tensors in every number.
  const voxels = read(classes.dataSync(), scores.dataSync());
  dispose([classes, scores]);
  return voxels;
}

/** {@link agreeingVoxels} for engines whose values have to be waited for. */
export async function agreeingVoxelsLater(logitsV: Tensor, logitsA: Tensor, from: number): Promise<AgreeingVoxels> {
  const [classes, scores] = agreement(logitsV, logitsA, from);
  const voxels = read(await classes.data(), await scores.data());
  dispose([classes, scores]);
  return voxels;
}
