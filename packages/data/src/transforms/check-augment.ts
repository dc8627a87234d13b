import { checkChoice, checkNumber, OptionError } from "@semiseg/errors";
import type { AugmentOptions } from "../types.js";
import { DEFAULT_ELASTIC_SPACING } from "./draw-warp.js";

/** Ranges and the bounds of their ends. */
const RANGES = {
  noise: { min: 0 },
  brightness: { min: 0 },
  gamma: { above: 0 },
  blur: { above: 0 },
  biasField: { min: 0 },
  rotation: { min: -180, max: 180 },
  scaling: { above: 0 },
  elastic: { min: 0 },
  cutMixRatio: { above: 0, max: 1 },
} as const;

const PROBABILITIES = [
  "flipProbability",
  "noiseProbability",
  "brightnessProbability",
  "gammaProbability",
  "blurProbability",
  "biasFieldProbability",
  "rotationProbability",
  "scalingProbability",
  "elasticProbability",
  "foregroundProbability",
  "cutMix",
  "copyPaste",
] as const;

/** Checks augmentation options for `dims` spatial axes. */
export function checkAugment(options: AugmentOptions, dims: number): void {
  const where = "augment";
  checkChoice(where, "mode", options.mode ?? "independent", ["independent", "reference"]);
  checkChoice(where, "copyPasteMode", options.copyPasteMode ?? "foreground", ["foreground", "box"]);
  for (const name of ["flipAxes", "rot90Axes", "rotationAxes"] as const)
    for (const a of options[name] ?? []) checkNumber(where, name, a, { integer: true, min: 0, max: dims - 1 });
  if (options.rotationAxes && dims === 2)
    throw new OptionError(`${where}: rotationAxes must be left out in 2-D, where the only rotation is in the plane`);
  if (options.rot90Axes && options.rot90Axes[0] === options.rot90Axes[1])
    throw new OptionError(`${where}: rot90Axes must be two different axes, received [${options.rot90Axes.join(", ")}]`);
  for (const name of PROBABILITIES)
    if (options[name] !== undefined) checkNumber(where, name, options[name], { min: 0, max: 1 });
  for (const [name, bounds] of Object.entries(RANGES)) {
    const range = options[name as keyof typeof RANGES];
    if (!range) continue;
    for (const end of range) checkNumber(where, name, end, bounds);
    if (range[0] > range[1])
      throw new OptionError(`${where}: ${name} must be [low, high], received [${range.join(", ")}]`);
  }
  const spacing = options.elasticSpacing ?? DEFAULT_ELASTIC_SPACING;
  checkNumber(where, "elasticSpacing", spacing, { min: 2 });
  if (options.elastic && options.elastic[1] * 4 > spacing)
    throw new OptionError(
      `${where}: elastic must be at most a quarter of elasticSpacing (${spacing / 4} voxels), or the grid folds, received [${options.elastic.join(", ")}]`,
    );
}
