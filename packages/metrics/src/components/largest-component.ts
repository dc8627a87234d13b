import { checkGrid, checkMask, type Mask } from "../metric-input.js";
import { type ConnectedComponentsOptions, componentsOf, neighbourOrder } from "./connected-components.js";

/**
 * The connected component with the most voxels, the first of them where several are as large; empty for an empty mask.
 *
 * @param mask - values 0 and 1, C order of `shape` (two or three sizes).
 * @returns a new mask.
 * @throws ShapeError, OptionError or DataError for input that does not fit.
 */
export function largestComponent(
  mask: Mask,
  shape: readonly number[],
  options: ConnectedComponentsOptions = {},
): Uint8Array {
  checkGrid("largestComponent", shape);
  checkMask("largestComponent", "mask", mask, shape);
  const order = neighbourOrder("largestComponent", shape.length, options.connectivity);
  const { labels, count } = componentsOf(mask, 1, shape, order);
  const sizes = new Int32Array(count + 1);
  for (let i = 0; i < labels.length; i++) sizes[labels[i]!]!++;
  let largest = 1;
  for (let label = 2; label <= count; label++) if (sizes[label]! > sizes[largest]!) largest = label;
  return Uint8Array.from(labels, (label) => (label === largest ? 1 : 0));
}
