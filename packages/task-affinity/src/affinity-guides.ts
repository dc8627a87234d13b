import type { StepContext } from "@semiseg/method";
import { resizeNearest, withoutGradient } from "@semiseg/nn";
import { expandDims, mul, sum, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { type Activation, activate } from "./activate.js";
import type { GuideGate } from "./affinity-options.js";
import { asRows } from "./class-representations.js";

/** What the two halves are pooled under at one resolution. */
export interface AffinityGuide {
  /** One-hot labels `[B_l, ...s, K]`, a constant. */
  readonly labeled: Tensor;
  /** Soft prediction `[B_u, ...s, K]`. */
  readonly unlabeled: Tensor;
  /** Their sums over voxels, `[B_l, K]` and `[B_u, K]`. */
  readonly labeledMass: Tensor;
  readonly unlabeledMass: Tensor;
}

/** What decides a guide. */
export interface GuideOptions {
  readonly activation?: Activation;
  readonly detachGuide: boolean;
  readonly gate?: GuideGate;
}

const masses = (guide: Tensor): Tensor => sum(asRows(guide), 1);

/** The finest resolution from which `size` follows by whole steps of two, or the full one. */
function sizeAbove(size: readonly number[], full: readonly number[]): readonly number[] {
  const twice = size.map((n) => 2 * n);
  return twice.every((n, i) => full[i]! % n === 0) ? twice : full;
}

/**
 * Guides at `size` by nearest neighbour, shared by the terms of a step: strided slices for whole factors, each level
 * from the one above. To be called inside `tidy`.
 */
export function affinityGuides(context: StepContext, size: readonly number[], options: GuideOptions): AffinityGuide {
  const { activation, detachGuide, gate } = options;
  const full = context.labeled.labels.shape.slice(1);
  const key = `affinity guide/${activation ?? "default"}/${detachGuide ? "constant" : "with gradient"}/${gate?.name ?? "all"}/${size.join("x")}`;
  return context.share(key, () =>
    tidy(() => {
      const finest = size.every((n, i) => n === full[i]);
      const above = finest ? null : affinityGuides(context, sizeAbove(size, full), options);
      const unlabeledGuide = (): Tensor => {
        if (above) return resizeNearest(above.unlabeled, size);
        const guide = activate(context.student.unlabeled().logits, activation);
        return gate ? mul(guide, expandDims(gate.mask(context), -1)) : guide;
      };
      const unlabeled = detachGuide ? withoutGradient(unlabeledGuide) : unlabeledGuide();
      const labeled = withoutGradient(() => resizeNearest(above ? above.labeled : context.labeled.onehot, size));
      return {
        labeled,
        unlabeled,
        labeledMass: withoutGradient(() => masses(labeled)),
        unlabeledMass: detachGuide ? withoutGradient(() => masses(unlabeled)) : masses(unlabeled),
      };
    }),
  );
}
