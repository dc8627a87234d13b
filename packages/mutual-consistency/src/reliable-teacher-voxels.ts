import { checkNumber, OptionError } from "@semiseg/errors";
import { FUSED_NORM, hasKernel } from "@semiseg/kernels";
import type { StepContext } from "@semiseg/method";
import { type NetworkProvides, withoutGradient } from "@semiseg/nn";
import { entropyThreshold, monteCarloMean, predictiveEntropy, reliableMask } from "@semiseg/uncertainty";
import { dispose, type Tensor, tidy } from "@tensorflow/tfjs-core";

/** How the teacher's uncertainty is measured. */
export interface TeacherUncertaintyOptions {
  /** Stochastic teacher passes. Default 8. */
  readonly samples?: number;
  /** Passes joined in one batch. Default: 2, as the published code repeats the batch twice. */
  readonly samplesPerPass?: number;
  /** In place of `samplesPerPass`: as many passes at once as fit into this many bytes, at least one. */
  readonly memoryBudget?: number;
}

/** Throws OptionError for options that make no sense, naming the caller. */
export function checkTeacherUncertainty(where: string, options: TeacherUncertaintyOptions): void {
  const { samples = 8, samplesPerPass, memoryBudget } = options;
  checkNumber(where, "uncertainty.samples", samples, { integer: true, min: 1 });
  if (samplesPerPass !== undefined)
    checkNumber(where, "uncertainty.samplesPerPass", samplesPerPass, { integer: true, min: 1 });
  if (memoryBudget !== undefined) checkNumber(where, "uncertainty.memoryBudget", memoryBudget, { above: 0 });
  if (samplesPerPass !== undefined && memoryBudget !== undefined)
    throw new OptionError(`${where}: give uncertainty.samplesPerPass or uncertainty.memoryBudget, not both`);
}

/**
 * Bytes that a forward pass without gradient holds at its peak: the features of the encoder, in the decoder those that
 * are joined and what comes of them, images and probabilities, and the working copies of the widest layer, of which an
 * engine without a fused norm needs more.
 */
function forwardBytes(provides: NetworkProvides, image: Tensor): number {
  const voxels = image.size / image.shape.at(-1)!;
  const values = ({ stride, channels }: { readonly stride: number; readonly channels: number }): number =>
    (voxels / stride ** provides.spatialDims) * channels;
  const total = (features: NetworkProvides["encoder"]): number => features.map(values).reduce((a, b) => a + b, 0);
  const widest = Math.max(...[...provides.encoder, ...provides.decoder].map(values));
  const held =
    total(provides.encoder) + 3 * total(provides.decoder) + voxels * (3 * provides.inChannels + 5 * provides.classes);
  return 4 * (held + (hasKernel(FUSED_NORM) ? 5 : 10) * widest);
}

/** Passes per batch for a budget. */
function passesWithin(budget: number, samples: number, provides: NetworkProvides, image: Tensor): number {
  return Math.min(samples, Math.max(1, Math.floor(budget / forwardBytes(provides, image))));
}

/**
 * Mask of the voxels where the teacher is sure of itself: float32 0/1 `[N, ...S]`, 1 where the entropy of its mean Monte
 * Carlo dropout prediction is below the rising threshold. Computed once a step and view, and shared by the terms that ask
 * with the same options. Carries no gradient.
 *
 * @param view - `all` or `unlabeled`: which part of the batch `image` is.
 * @see Yu et al. (UA-MT), MICCAI 2019, section 2.2; UG-MCL, arXiv:2112.02508, uncertainty estimation.
 */
export function reliableTeacherVoxels(
  context: StepContext,
  view: "all" | "unlabeled",
  image: Tensor,
  options: TeacherUncertaintyOptions & { readonly noiseStd: number },
): Tensor {
  const { samples = 8, memoryBudget, noiseStd } = options;
  const { network } = context.teacher;
  const samplesPerPass =
    options.samplesPerPass ??
    (memoryBudget === undefined ? 2 : passesWithin(memoryBudget, samples, network.provides, image));
  return context.share(`teacher reliability/${view}/${samples}/${samplesPerPass}/${noiseStd}`, () =>
    withoutGradient(() => {
      const random = context.random(`uncertainty/${view}`);
      const probs = monteCarloMean(
        (x, pass) =>
          tidy(
            () =>
              network.apply(x, { training: true, updateBuffers: false, random: random.fork(`dropout/${pass}`) }).logits,
          ),
        image,
        { samples, samplesPerPass, noiseStd, noiseClip: 2 * noiseStd, random: random.fork("noise") },
      );
      const entropy = predictiveEntropy([probs]);
      const mask = reliableMask(entropy, entropyThreshold(context.step, context.maxSteps, context.numClasses));
      dispose([probs, entropy]);
      return mask;
    }),
  );
}
