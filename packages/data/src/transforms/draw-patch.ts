import type { RandomSource } from "@semiseg/random";
import type { AugmentOptions, PreparedCase } from "../types.js";
import { drawIntensity } from "./draw-intensity.js";
import { drawWarp } from "./draw-warp.js";
import { type AxisMove, composeMoves, flipMove, identityMove, rot90Move } from "./move-axes.js";
import type { PatchRecord } from "./patch-record.js";

/**
 * Decides a random patch: where it lies, how its axes move, what happens to intensities. Every position of the crop is
 * equally likely, the last one included; axes shorter than the patch are padded with zeros on both sides, other axes
 * are not. Quarter turns choose the crop's sizes, so that the turned patch has `patchSize` whatever the plane. Rotation,
 * scaling and elastic deformation look voxels up around the crop's centre, also beyond the crop. Switching one change on
 * leaves the draws of the others as they were.
 *
 * @param options - false: the centre, unchanged.
 */
export function drawPatch(
  prepared: PreparedCase,
  patchSize: readonly number[],
  options: AugmentOptions | false,
  random: RandomSource,
): PatchRecord {
  const spatial = prepared.imageShape.slice(0, -1);
  const rank = spatial.length;
  const move = options ? drawMove(patchSize, options, random.fork("axes")) : identityMove(rank);
  const size = [...patchSize];
  move.permutation.forEach((p, a) => {
    size[p] = patchSize[a]!;
  });
  const place = random.fork("crop");
  const centre = options ? foregroundVoxel(prepared, options, random.fork("foreground")) : null;
  const start = spatial.map((n, a) => {
    const room = n - size[a]!;
    if (room <= 0) return -Math.floor(-room / 2);
    if (!options) return Math.floor(room / 2);
    const uniform = place.integers(0, room + 1, 1)[0]!;
    return centre ? Math.min(room, Math.max(0, centre[a]! - Math.floor(size[a]! / 2))) : uniform;
  });
  const warp = options ? drawWarp(options, prepared.spacing, random.fork("warp")) : null;
  const intensity = options ? drawIntensity(options, rank, random.fork("intensity")) : [];
  return { start, size, ...(warp ? { warp } : {}), permutation: move.permutation, flips: move.flips, intensity };
}

function drawMove(patchSize: readonly number[], options: AugmentOptions, random: RandomSource): AxisMove {
  const rank = patchSize.length;
  const plane = options.rot90Axes === undefined ? ([0, 1] as const) : options.rot90Axes;
  if (options.mode === "reference") {
    const [p, q] = plane ?? [0, 1];
    const turn = rot90Move(rank, random.integers(0, 4, 1)[0]!, [p, q]);
    return composeMoves(turn, flipMove(rank, random.next() < 0.5 ? p : q));
  }
  let move = identityMove(rank);
  if (plane) {
    const k = random.integers(0, 4, 1)[0]!;
    const quarter = options.rot90Axes !== undefined || patchSize[plane[0]] === patchSize[plane[1]];
    move = rot90Move(rank, quarter ? k : 2 * (k % 2), plane);
  }
  const axes = options.flipAxes ?? patchSize.map((_, a) => a);
  for (const axis of axes)
    if (random.next() < (options.flipProbability ?? 0.5)) move = composeMoves(move, flipMove(rank, axis));
  return move;
}

/** A random voxel of a random class that the case has, with the wanted probability. */
function foregroundVoxel(prepared: PreparedCase, options: AugmentOptions, random: RandomSource): number[] | null {
  const { labels } = prepared;
  if (!labels || !(random.next() < (options.foregroundProbability ?? 0))) return null;
  const counts = new Array<number>(256).fill(0);
  for (const label of labels) counts[label]!++;
  const present = counts.map((_, c) => c).filter((c) => c > 0 && counts[c]! > 0);
  if (present.length === 0) return null;
  const chosen = present[random.integers(0, present.length, 1)[0]!]!;
  let left = random.integers(0, counts[chosen]!, 1)[0]!;
  let at = 0;
  for (; at < labels.length; at++) if (labels[at] === chosen && left-- === 0) break;
  const spatial = prepared.imageShape.slice(0, -1);
  const index = new Array<number>(spatial.length);
  for (let a = spatial.length - 1; a >= 0; a--) {
    index[a] = at % spatial[a]!;
    at = Math.floor(at / spatial[a]!);
  }
  return index;
}
