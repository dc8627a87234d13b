import { checkNumber } from "@semiseg/errors";
import { transformInto } from "./distance-transform.js";
import { checkPair, type Mask, type MaskPair } from "./metric-input.js";
import { sizeOf, spacingOf } from "./surface/box.js";

/** Arguments of {@link boundaryIoU}. */
export interface BoundaryIoUArguments extends MaskPair {
  /** Width of the band, in mm (voxels without `spacing`). */
  readonly distance: number;
}

/** The mask's voxels within `distance` of the nearest voxel outside it, the image's surroundings included. */
function band(mask: Mask, shape: readonly number[], spacing: readonly number[], distance: number): Uint8Array {
  // One voxel of background all around.
  const padded = shape.map((n) => n + 2);
  const [d, h, w] = shape.length === 3 ? (shape as [number, number, number]) : [1, shape[0]!, shape[1]!];
  const place = (z: number, y: number): number =>
    shape.length === 3 ? ((z + 1) * (h + 2) + y + 1) * (w + 2) + 1 : (y + 1) * (w + 2) + 1;
  const inside = new Uint8Array(padded.reduce((a, b) => a * b, 1));
  for (let z = 0, i = 0; z < d; z++)
    for (let y = 0; y < h; y++) for (let x = 0, k = place(z, y); x < w; x++) inside[k++] = mask[i++]!;
  const distances = new Float32Array(inside.length);
  transformInto(distances, inside, sizeOf(padded), spacingOf(spacing));
  const out = new Uint8Array(mask.length);
  for (let z = 0, i = 0; z < d; z++)
    for (let y = 0; y < h; y++)
      for (let x = 0, k = place(z, y); x < w; x++, k++, i++)
        out[i] = inside[k] === 1 && distances[k]! <= Math.fround(distance) ? 1 : 0;
  return out;
}

/**
 * Intersection over union of the two masks' inner bands along their boundaries: as Jaccard, but as sensitive to the
 * boundary of large objects as to that of small ones. 1 when both masks are empty, 0 when one is.
 *
 * The band is measured by exact Euclidean distance between voxel centres; the paper erodes with a square.
 *
 * @throws ShapeError, OptionError or DataError naming the argument.
 * @see Cheng et al., "Boundary IoU: improving object-centric image segmentation evaluation", CVPR 2021.
 */
export function boundaryIoU(args: BoundaryIoUArguments): number {
  const spacing = checkPair("boundaryIoU", args);
  checkNumber("boundaryIoU", "distance", args.distance, { above: 0 });
  const truth = band(args.yTrue, args.shape, spacing, args.distance);
  const prediction = band(args.yPred, args.shape, spacing, args.distance);
  let [both, either] = [0, 0];
  for (let i = 0; i < truth.length; i++) {
    both += truth[i]! & prediction[i]!;
    either += truth[i]! | prediction[i]!;
  }
  return either === 0 ? 1 : both / either;
}
