import type { PreparedCase } from "../types.js";
import { changeIntensities } from "./change-intensities.js";
import { cutBox } from "./cut-box.js";
import { elasticField } from "./elastic-field.js";
import type { GridValues } from "./grid.js";
import { moveAxes } from "./move-axes.js";
import type { PatchRecord } from "./patch-record.js";
import { warp } from "./warp.js";

/** A training patch. */
export interface Patch {
  /** Values of shape `[...patchSize, C]`. */
  readonly image: Float32Array;
  /** Classes of shape `patchSize`; null for a case without label. */
  readonly labels: Uint8Array | null;
  /** The same patch after the strong intensity changes, where they were asked for. */
  readonly strong?: Float32Array;
}

/**
 * Cuts the patch that `record` describes; the labels go through the same places and axes as the image, interpolated
 * linearly in the image and by the nearest voxel in the labels.
 */
export function applyPatch(prepared: PreparedCase, record: PatchRecord): Patch {
  const spatial = prepared.imageShape.slice(0, -1);
  const channels = prepared.imageShape[spatial.length]!;
  const cut = cutter(spatial, record);
  const image = cut(prepared.image, channels);
  const patchSize = record.permutation.map((p) => record.size[p]!);
  changeIntensities(image, patchSize, channels, record.intensity);
  return { image, labels: prepared.labels && cut(prepared.labels, 1) };
}

/** Cuts the record's box, straight or warped, and moves its axes. */
function cutter(
  spatial: readonly number[],
  record: PatchRecord,
): <T extends GridValues>(data: T, channels: number) => T {
  const { start, size, warp: warped } = record;
  if (!warped) return (data, channels) => cutBox(data, spatial, channels, start, size, record);
  const targetCentre = size.map((n) => (n - 1) / 2);
  const map = {
    size,
    targetCentre,
    sourceCentre: start.map((s, a) => s + targetCentre[a]!),
    matrix: warped.matrix,
    ...(warped.elastic ? { displacement: elasticField(size, warped.elastic) } : {}),
  };
  return (data, channels) => moveAxes(warp(data, spatial, channels, map), size, channels, record).data;
}
