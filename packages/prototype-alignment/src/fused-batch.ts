import { checkNumber } from "@semiseg/errors";
import { onehotOf } from "@semiseg/losses";
import type { StepContext } from "@semiseg/method";
import { resizeLinear, withoutGradient } from "@semiseg/nn";
import { type Tensor, tidy } from "@tensorflow/tfjs-core";
import { fuseImages } from "./fuse-images.js";
import { type ScaleOutput, scaleOutputs } from "./scale-outputs.js";
import { teacherTargets } from "./teacher-targets.js";

/** How labelled and unlabelled images are fused. */
export interface FusionOptions {
  /** Bounds of the labelled image's share, drawn per pair and step. Default [0.25, 0.75]. */
  readonly sigma?: readonly [number, number];
}

/** Throws OptionError unless the bounds are in [0, 1] and in order. */
export function checkSigma(where: string, { sigma = [0.25, 0.75] }: FusionOptions): void {
  checkNumber(where, "sigma[0]", sigma[0], { min: 0, max: 1 });
  checkNumber(where, "sigma[1]", sigma[1], { min: sigma[0], max: 1 });
}

/** The student's pass over the fused images and the soft targets of every scale, shared by the terms of a step. */
export function fusedBatch(
  context: StepContext,
  { sigma = [0.25, 0.75] }: FusionOptions,
): { readonly outputs: readonly ScaleOutput[]; readonly targets: readonly Tensor[] } {
  const key = `fused/${sigma.join("/")}`;
  const { network } = context.student;
  const { image, targets } = context.share(key, () =>
    withoutGradient(() =>
      tidy(() => {
        const { labeled, unlabeled } = context;
        const shares = context.random(key).uniform(labeled.image.shape[0]!);
        const fused = fuseImages({
          labeled: labeled.image,
          unlabeled: unlabeled!.image,
          labels: labeled.onehot,
          pseudoLabels: onehotOf(teacherTargets(context).at(-1)!.labels, context.numClasses),
          sigma: Array.from(shares, (u) => sigma[0] + (sigma[1] - sigma[0]) * u),
        });
        const sizes = teacherTargets(context).map(({ labels }) => labels.shape.slice(1));
        return { image: fused.image, targets: sizes.map((size) => resizeLinear(fused.target, size)) };
      }),
    ),
  );
  return { outputs: scaleOutputs(network, context.student.on(key, image)), targets };
}
