import type { PreparedCase } from "../types.js";
import { changeIntensities } from "./change-intensities.js";
import { cropPad } from "./crop-pad.js";
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
  const image = moveAxes(cut(prepared.image, channels), record.size, channels, record);
  changeIntensities(image.data, image.spatial, channels, record.intensity);
  if (!prepared.labels) return { image: image.data, labels: null };
  return { image: image.data, labels: moveAxes(cut(prepared.labels, 1), record.size, 1, record).data };
}

/** Cuts the record's box, straight or warped. */
function cutter(
  spatial: readonly number[],
  { start, size, warp: record }: PatchRecord,
): <T extends GridValues>(data: T, channels: number) => T {
  if (!record) return (data, channels) => cropPad(data, spatial, channels, start, size);
  const targetCentre = size.map((n) => (n - 1) / 2);
  const map = {
    size,
    targetCentre,
    sourceCentre: start.map((s, a) => s + targetCentre[a]!),
    matrix: record.matrix,
    ...(record.elastic ? { displacement: elasticField(size, record.elastic) } : {}),
  };
  return (data, channels) => warp(data, spatial, channels, map);
}
