import { OptionError, ShapeError } from "@semiseg/errors";
import { cropPad } from "./transforms/crop-pad.js";
import { type GridValues, product } from "./transforms/grid.js";
import { inverseMove, moveAxes } from "./transforms/move-axes.js";
import type { PatchRecord } from "./transforms/patch-record.js";
import { warp } from "./transforms/warp.js";

/** A patch back on its case's grid. */
export interface RestoredPatch<T extends GridValues> {
  /** `[...spatial, channels]`; 0 where the patch was not. */
  readonly values: T;
  /** 1 where the patch was, shape `spatial`. */
  readonly covered: Uint8Array;
}

/**
 * Takes values on a patch (an image, probabilities, or classes) back to the prepared grid that it was cut from: quarter
 * turns and flips, then rotation and scaling, then the place. Crops, flips and quarter turns are undone exactly;
 * rotation and scaling by interpolation, linear for float32 and nearest for uint8. Intensity changes stay.
 *
 * @param values - `[...patchSize, channels]`, as `applyPatch` gives them.
 * @param spatial - `prepared.imageShape` without channels.
 * @throws OptionError for an elastic patch, whose map has no inverse in closed form; ShapeError when sizes differ.
 */
export function restorePatch<T extends GridValues>(
  values: T,
  channels: number,
  record: PatchRecord,
  spatial: readonly number[],
): RestoredPatch<T> {
  const { start, size, warp: warped } = record;
  if (warped?.elastic)
    throw new OptionError("restorePatch: an elastic deformation has no inverse in closed form; restore before it");
  if (values.length !== product(size) * channels)
    throw new ShapeError(
      `restorePatch: values must have ${product(size) * channels} values, received ${values.length}`,
    );
  if (spatial.length !== size.length)
    throw new ShapeError(`restorePatch: spatial must have ${size.length} axes, received [${spatial.join(", ")}]`);
  const moved = record.permutation.map((p) => size[p]!);
  const box = moveAxes(values, moved, channels, inverseMove(record)).data;
  const inside = new Uint8Array(product(size)).fill(1);
  if (!warped) {
    const from = start.map((s) => -s);
    return {
      values: cropPad(box, size, channels, from, spatial),
      covered: cropPad(inside, size, 1, from, spatial),
    };
  }
  const sourceCentre = size.map((n) => (n - 1) / 2);
  const map = {
    size: spatial,
    sourceCentre,
    targetCentre: start.map((s, a) => s + sourceCentre[a]!),
    matrix: inverseMatrix(warped.matrix, size.length),
  };
  return { values: warp(box, size, channels, map), covered: warp(inside, size, 1, map) };
}

/** Gauss-Jordan elimination with pivots; a warp's matrix is a rotation times positive scales, so it has an inverse. */
function inverseMatrix(matrix: readonly number[], rank: number): number[] {
  const rows = Array.from({ length: rank }, (_, r) => [
    ...matrix.slice(r * rank, (r + 1) * rank),
    ...Array.from({ length: rank }, (_, c) => (c === r ? 1 : 0)),
  ]);
  for (let c = 0; c < rank; c++) {
    let pivot = c;
    for (let r = c; r < rank; r++) if (Math.abs(rows[r]![c]!) > Math.abs(rows[pivot]![c]!)) pivot = r;
    [rows[c], rows[pivot]] = [rows[pivot]!, rows[c]!];
    const by = rows[c]![c]!;
    rows[c] = rows[c]!.map((x) => x / by);
    for (let r = 0; r < rank; r++)
      if (r !== c) {
        const times = rows[r]![c]!;
        rows[r] = rows[r]!.map((x, k) => x - times * rows[c]![k]!);
      }
  }
  return rows.flatMap((row) => row.slice(rank));
}
