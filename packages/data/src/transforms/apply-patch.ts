import { RandomSource } from "@semiseg/random";
import type { PreparedCase } from "../types.js";
import { cropPad } from "./crop-pad.js";
import { moveAxes } from "./move-axes.js";
import type { IntensityChange, PatchRecord } from "./patch-record.js";

/** A training patch. */
export interface Patch {
  /** Values of shape `[...patchSize, C]`. */
  readonly image: Float32Array;
  /** Classes of shape `patchSize`; null for a case without label. */
  readonly labels: Uint8Array | null;
  /** The same patch after the strong intensity changes, where they were asked for. */
  readonly strong?: Float32Array;
}

/** Cuts the patch that `record` describes; the labels go through the same axes as the image. */
export function applyPatch(prepared: PreparedCase, record: PatchRecord): Patch {
  const spatial = prepared.imageShape.slice(0, -1);
  const channels = prepared.imageShape[spatial.length]!;
  const box = cropPad(prepared.image, spatial, channels, record.start, record.size);
  const image = moveAxes(box, record.size, channels, record).data;
  changeIntensities(image, channels, record.intensity);
  if (!prepared.labels) return { image, labels: null };
  const labels = cropPad(prepared.labels, spatial, 1, record.start, record.size);
  return { image, labels: moveAxes(labels, record.size, 1, record).data };
}

/** Applies recorded intensity changes in place, in their order. */
export function changeIntensities(image: Float32Array, channels: number, changes: readonly IntensityChange[]): void {
  for (const change of changes) changeIntensity(image, channels, change);
}

function changeIntensity(image: Float32Array, channels: number, change: IntensityChange): void {
  if (change.kind === "noise") {
    const random = new RandomSource(change.seed);
    for (let v = 0; v < image.length; v++) image[v]! += change.deviation * random.nextNormal();
  } else if (change.kind === "brightness") for (let v = 0; v < image.length; v++) image[v]! *= change.factor;
  else
    for (let c = 0; c < channels; c++) {
      let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
      for (let v = c; v < image.length; v += channels) {
        if (image[v]! < min) min = image[v]!;
        if (image[v]! > max) max = image[v]!;
      }
      const range = max - min;
      if (!(range > 0)) continue;
      for (let v = c; v < image.length; v += channels)
        image[v] = min + range * ((image[v]! - min) / range) ** change.exponent;
    }
}
