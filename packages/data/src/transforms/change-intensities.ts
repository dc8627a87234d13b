import { RandomSource } from "@semiseg/random";
import { biasField } from "./bias-field.js";
import { gaussianBlur } from "./gaussian-blur.js";
import type { IntensityChange } from "./patch-record.js";

/**
 * Applies recorded intensity changes in their order.
 *
 * @param image - `[...spatial, channels]`; changed in place.
 */
export function changeIntensities(
  image: Float32Array,
  spatial: readonly number[],
  channels: number,
  changes: readonly IntensityChange[],
): void {
  for (const change of changes) changeIntensity(image, spatial, channels, change);
}

function changeIntensity(
  image: Float32Array,
  spatial: readonly number[],
  channels: number,
  change: IntensityChange,
): void {
  switch (change.kind) {
    case "noise": {
      const random = new RandomSource(change.seed);
      for (let v = 0; v < image.length; v++) image[v]! += change.deviation * random.nextNormal();
      return;
    }
    case "brightness":
      for (let v = 0; v < image.length; v++) image[v]! *= change.factor;
      return;
    case "blur":
      image.set(gaussianBlur(image, spatial, channels, change.sigma));
      return;
    case "bias": {
      const field = biasField(spatial, change.strength, change.coefficients);
      aboveMinimum(image, channels, (above, _, voxel) => above * field[voxel]!);
      return;
    }
    case "gamma":
      aboveMinimum(image, channels, (above, range) => range * (above / range) ** change.exponent);
  }
}

/** Changes what each channel has above its minimum, so that intensities around 0 are treated like any others. */
function aboveMinimum(
  image: Float32Array,
  channels: number,
  change: (above: number, range: number, voxel: number) => number,
): void {
  for (let c = 0; c < channels; c++) {
    let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (let v = c; v < image.length; v += channels) {
      if (image[v]! < min) min = image[v]!;
      if (image[v]! > max) max = image[v]!;
    }
    const range = max - min;
    if (!(range > 0)) continue;
    for (let v = c, voxel = 0; v < image.length; v += channels, voxel++)
      image[v] = min + change(image[v]! - min, range, voxel);
  }
}
