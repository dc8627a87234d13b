import { checkChoice, checkNumber, DataError, ShapeError } from "@semiseg/errors";

/**
 * How distances are defined: as `medpy` (the field's tables), as `monai`, or by area as in `deepmind`'s
 * surface-distance.
 */
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

/** Throws unless `mask` has one value per voxel, each 0 or 1; returns it as bytes (itself where it holds bytes). */
export function checkMask(where: string, argument: string, mask: Mask, shape: readonly number[]): Uint8Array {
  return checkLabels(where, argument, mask, shape, 2, "0 and 1 only") as Uint8Array;
}

/**
 * Throws unless `labels` has one integer per voxel, each from 0 to `numClasses - 1`.
 *
 * @returns itself where it is a byte array, else a copy as bytes, or as 32-bit integers for more than 256 classes.
 */
export function checkLabels(
  where: string,
  argument: string,
  labels: Mask,
  shape: readonly number[],
  numClasses: number,
  allowed = `classes 0 to ${numClasses - 1}`,
): Uint8Array | Int32Array {
  const size = shape.reduce((a, b) => a * b, 1);
  if (labels === null || typeof labels !== "object" || labels.length !== size)
    throw new ShapeError(
      `${where}: ${argument} must have ${size} values for shape [${shape.join(", ")}], received ${labels?.length ?? String(labels)}`,
    );
  if (labels instanceof Uint8Array && largestOf(labels, numClasses) < numClasses) return labels;
  const copy = numClasses <= 256 ? new Uint8Array(size) : new Int32Array(size);
  for (let i = 0; i < size; i++) {
    const v = labels[i]!;
    if (!(Number.isInteger(v) && v >= 0 && v < numClasses))
      throw new DataError(`${where}: ${argument} must hold ${allowed}, received ${String(v)} at index ${i}`);
    copy[i] = v;
  }
  return copy;
}

/** The largest byte; for two classes their union, four at a time, which is less than 2 just when the largest is. */
function largestOf(bytes: Uint8Array, numClasses: number): number {
  let [largest, i] = [0, 0];
  if (numClasses === 2 && bytes.byteOffset % 4 === 0) {
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
    let union = 0;
    for (let k = 0; k < words.length; k++) union |= words[k]!;
    if ((union & 0xfefefefe) !== 0) return 255;
    i = words.length << 2;
  }
  for (; i < bytes.length; i++) if (bytes[i]! > largest) largest = bytes[i]!;
  return largest;
}

/** Checks both masks and the grid; returns the spacing. */
export function checkPair(where: string, pair: MaskPair): readonly number[] {
  return checkedPair(where, pair).spacing;
}

/** Checks both masks and the grid; returns them with the masks as bytes and the spacing filled in. */
export function checkedPair(
  where: string,
  { yTrue, yPred, shape, spacing }: MaskPair,
): {
  readonly yTrue: Uint8Array;
  readonly yPred: Uint8Array;
  readonly shape: readonly number[];
  readonly spacing: readonly number[];
} {
  const grid = checkGrid(where, shape, spacing);
  return {
    yTrue: checkMask(where, "yTrue", yTrue, shape),
    yPred: checkMask(where, "yPred", yPred, shape),
    shape,
    spacing: grid,
  };
}

/** Checks the distance options and fills in the defaults. */
export function distanceOptions(where: string, options: DistanceOptions): Required<DistanceOptions> {
  const { dialect = "medpy", empty = "nan" } = options;
  checkChoice(where, "dialect", dialect, ["medpy", "monai", "deepmind"]);
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
