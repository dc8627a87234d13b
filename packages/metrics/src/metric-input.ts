import { checkChoice, checkNumber, DataError, OptionError, ShapeError } from "@semiseg/errors";

/** How distances are defined: `medpy` (the field's tables), `monai`, or `deepmind`, which this version refuses. */
export type Dialect = "medpy" | "monai" | "deepmind";

/** What a distance is when one mask is empty: NaN, the image diagonal, or 0 (what older scripts report). */
export type EmptyPolicy = "nan" | "worst" | "best";

/** A list of numbers: typed array or plain array. */
export type Mask = ArrayLike<number>;

/** Truth and prediction of one class, values 0 and 1, C order of `shape`. */
export interface MaskPair {
  readonly yTrue: Mask;
  readonly yPred: Mask;
  /** Two or three sizes. */
  readonly shape: readonly number[];
  /** In mm, in the order of `shape`. Default: 1 along every axis, so that distances are in voxels. */
  readonly spacing?: readonly number[];
}

/** Options of metrics that measure distances. */
export interface DistanceOptions {
  /** Default `medpy`. */
  readonly dialect?: Dialect;
  /** Default `nan`. */
  readonly empty?: EmptyPolicy;
}

/** Throws unless `shape` and `spacing` are usable; returns the spacing. */
export function checkGrid(where: string, shape: readonly number[], spacing?: readonly number[]): readonly number[] {
  if (!Array.isArray(shape) || (shape.length !== 2 && shape.length !== 3))
    throw new ShapeError(`${where}: shape must hold two or three sizes, received ${JSON.stringify(shape)}`);
  for (const n of shape) checkNumber(where, "shape", n, { integer: true, min: 1 });
  const grid = spacing ?? shape.map(() => 1);
  if (!Array.isArray(grid) || grid.length !== shape.length)
    throw new ShapeError(`${where}: spacing must hold ${shape.length} numbers, received ${JSON.stringify(spacing)}`);
  for (const s of grid) checkNumber(where, "spacing", s, { above: 0 });
  return grid;
}

/** Throws unless `mask` has one value per voxel, each 0 or 1. */
export function checkMask(where: string, argument: string, mask: Mask, shape: readonly number[]): void {
  const size = shape.reduce((a, b) => a * b, 1);
  if (mask === null || typeof mask !== "object" || mask.length !== size)
    throw new ShapeError(
      `${where}: ${argument} must have ${size} values for shape [${shape.join(", ")}], received ${mask?.length ?? String(mask)}`,
    );
  for (let i = 0; i < size; i++)
    if (mask[i] !== 0 && mask[i] !== 1)
      throw new DataError(`${where}: ${argument} must hold 0 and 1 only, received ${String(mask[i])} at index ${i}`);
}

/** Checks both masks and the grid; returns the spacing. */
export function checkPair(where: string, { yTrue, yPred, shape, spacing }: MaskPair): readonly number[] {
  const grid = checkGrid(where, shape, spacing);
  checkMask(where, "yTrue", yTrue, shape);
  checkMask(where, "yPred", yPred, shape);
  return grid;
}

/** Checks the distance options and fills in the defaults. */
export function distanceOptions(where: string, options: DistanceOptions): Required<DistanceOptions> {
  const { dialect = "medpy", empty = "nan" } = options;
  checkChoice(where, "dialect", dialect, ["medpy", "monai", "deepmind"]);
  if (dialect === "deepmind")
    throw new OptionError(
      `${where}: the dialect 'deepmind' (area-weighted surface elements) is not in this version: use 'medpy' or 'monai'`,
    );
  checkChoice(where, "empty", empty, ["nan", "worst", "best"]);
  return { dialect, empty };
}

/** The value of a distance when at least one mask is empty. */
export function emptyDistance(
  empty: EmptyPolicy,
  both: boolean,
  shape: readonly number[],
  spacing: readonly number[],
): number {
  if (empty === "nan") return Number.NaN;
  if (both || empty === "best") return 0;
  return Math.hypot(...shape.map((n, i) => n * spacing[i]!));
}
