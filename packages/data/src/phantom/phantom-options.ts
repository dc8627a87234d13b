import { checkChoice, checkNumber, OptionError } from "@semiseg/errors";

/** How phantoms are generated; the same options and index give the same phantom. */
export interface PhantomOptions {
  /** Voxels per axis: three sizes, or two for a single slice. Default [64, 64, 32]. */
  readonly shape?: readonly number[];
  /** mm per axis; default 160 mm across the first two axes and slices 1.5 times as far apart as they are wide. */
  readonly spacing?: readonly number[];
  /** Labelled organs, 1 to 4: liver, kidneys, aorta, bladder (a wall around a cavity). Default 3. */
  readonly organs?: number;
  /** Two contrasts of the same kind of anatomy: 'a' is CT-like, 'b' MR-like (other order of intensities). Default 'a'. */
  readonly modality?: "a" | "b";
  /** Cases from this index on have the other contrast: data sets of two contrasts without a common body. Default: none. */
  readonly otherModalityFrom?: number;
  /** Noise deviation relative to the organ contrast of about 1. Default 0.25. */
  readonly noise?: number;
  /** Strength of the smooth multiplicative bias field, as the largest relative change. Default 0.25. */
  readonly bias?: number;
  /** How much tissue intensities differ between cases. Default 0.15. */
  readonly contrastJitter?: number;
  /** How much pose, size and outline differ between cases; 1 by default, 0 for one anatomy. */
  readonly variation?: number;
  readonly seed?: number;
}

export type ResolvedPhantomOptions = Required<Omit<PhantomOptions, "otherModalityFrom">>;

export const ORGAN_NAMES = ["liver", "kidneys", "aorta", "bladder"] as const;

/** Fills in the defaults and checks. */
export function resolvePhantomOptions(options: PhantomOptions = {}): ResolvedPhantomOptions {
  const where = "phantom";
  const shape = options.shape ?? [64, 64, 32];
  if (shape.length !== 2 && shape.length !== 3)
    throw new OptionError(`${where}: shape must have 2 or 3 sizes, received [${shape.join(", ")}]`);
  for (const n of shape) checkNumber(where, "shape", n, { integer: true, min: 8, max: 2048 });
  const across = 160 / Math.max(shape[0]!, shape[1]!);
  const spacing = options.spacing ?? [across, across, across * 1.5].slice(0, shape.length);
  if (spacing.length !== shape.length)
    throw new OptionError(`${where}: spacing must have ${shape.length} entries, received [${spacing.join(", ")}]`);
  for (const s of spacing) checkNumber(where, "spacing", s, { above: 0 });
  const resolved = {
    shape: [...shape],
    spacing: [...spacing],
    organs: options.organs ?? 3,
    modality: options.modality ?? "a",
    noise: options.noise ?? 0.25,
    bias: options.bias ?? 0.25,
    contrastJitter: options.contrastJitter ?? 0.15,
    variation: options.variation ?? 1,
    seed: options.seed ?? 0,
  };
  checkNumber(where, "organs", resolved.organs, { integer: true, min: 1, max: ORGAN_NAMES.length });
  checkChoice(where, "modality", resolved.modality, ["a", "b"]);
  if (options.otherModalityFrom !== undefined)
    checkNumber(where, "otherModalityFrom", options.otherModalityFrom, { integer: true, min: 0 });
  checkNumber(where, "noise", resolved.noise, { min: 0 });
  checkNumber(where, "bias", resolved.bias, { min: 0, below: 1 });
  checkNumber(where, "contrastJitter", resolved.contrastJitter, { min: 0, max: 1 });
  checkNumber(where, "variation", resolved.variation, { min: 0, max: 2 });
  checkNumber(where, "seed", resolved.seed, { integer: true });
  return resolved;
}
