import { checkGrid, checkMask, type Mask } from "../metric-input.js";
import { type ConnectedComponentsOptions, componentsOf, neighbourOrder } from "./connected-components.js";

/**
 * Fills holes: background that no path through background leads out of the image. `connectivity` is the background's,
 * by default face neighbours (6 or 4), as scipy's `binary_fill_holes`.
 *
 * @param mask - values 0 and 1, C order of `shape` (two or three sizes).
 * @returns a new mask.
 * @throws ShapeError, OptionError or DataError for input that does not fit.
 */
export function fillHoles(mask: Mask, shape: readonly number[], options: ConnectedComponentsOptions = {}): Uint8Array {
  checkGrid("fillHoles", shape);
  checkMask("fillHoles", "mask", mask, shape);
  const { connectivity = shape.length === 3 ? 6 : 4 } = options;
  const { labels, count } = componentsOf(mask, 0, shape, neighbourOrder("fillHoles", shape.length, connectivity));
  const open = new Uint8Array(count + 1);
  let outer = 1;
  // For each axis the two border planes: `outer` blocks of `n * inner` voxels, the first and last `inner` of each.
  for (let axis = 0; axis < shape.length; axis++) {
    const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
    const block = shape[axis]! * inner;
    for (let o = 0; o < outer; o++)
      for (let i = 0; i < inner; i++) {
        open[labels[o * block + i]!] = 1;
        open[labels[(o + 1) * block - inner + i]!] = 1;
      }
    outer *= shape[axis]!;
  }
  const filled = new Uint8Array(labels.length);
  for (let i = 0; i < filled.length; i++) filled[i] = labels[i] === 0 || open[labels[i]!] === 0 ? 1 : 0;
  return filled;
}
