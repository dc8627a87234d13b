import { type GroupNormLayer, type GroupNormOptions, groupNorm } from "./group-norm.js";

/** Options of {@link instanceNorm}. */
export type InstanceNormOptions = Omit<GroupNormOptions, "groups">;

/** Instance normalisation of `[N,...S,C]`: statistics per sample and channel. `affine` is false by default, as in PyTorch. */
export function instanceNorm({ affine = false, ...options }: InstanceNormOptions): GroupNormLayer {
  return groupNorm({ ...options, affine, groups: options.channels });
}
