import { OptionError } from "@semiseg/errors";
import { checkGrid, checkMask, type Mask } from "../metric-input.js";

/** Which voxels touch: 6 faces, 18 faces and edges, 26 corners too; 4 and 8 in two dimensions. */
export type Connectivity = 4 | 6 | 8 | 18 | 26;

/** Options of {@link connectedComponents}. */
export interface ConnectedComponentsOptions {
  /** Default: all neighbours, 26 or 8 (as scikit-image and MONAI; scipy's default is 6 or 4). */
  readonly connectivity?: Connectivity;
}

/** Result of {@link connectedComponents}. */
export interface ConnectedComponents {
  /** 0 for background, components from 1 in the order of their first voxel. */
  readonly labels: Int32Array;
  readonly count: number;
}

/** Along how many axes at once neighbours may differ. */
export function neighbourOrder(where: string, rank: number, connectivity: Connectivity | undefined): number {
  if (connectivity === undefined) return rank;
  const known = rank === 2 ? [4, 8] : [6, 18, 26];
  const order = known.indexOf(connectivity) + 1;
  if (order === 0)
    throw new OptionError(
      `${where}: connectivity must be one of ${known.join(", ")} in ${rank} dimensions, received ${String(connectivity)}`,
    );
  return order;
}

/** Components of the voxels equal to `value`. The input is trusted. */
export function componentsOf(mask: Mask, value: number, shape: readonly number[], order: number): ConnectedComponents {
  const [d, h, w] = shape.length === 3 ? (shape as [number, number, number]) : [1, shape[0]!, shape[1]!];
  const labels = new Int32Array(d * h * w);
  let runs = 0;
  for (let i = 0, x = 0; i < labels.length; i++) {
    if (mask[i] === value && (x === 0 || mask[i - 1] !== value)) runs++;
    if (++x === w) x = 0;
  }
  // Every run of a row starts as a component of its own. A parent is never above its child.
  const parent = new Int32Array(runs + 1);
  const root = (label: number): number => {
    let at = label;
    while (parent[at] !== at) {
      parent[at] = parent[parent[at]!]!;
      at = parent[at]!;
    }
    return at;
  };
  // Rows before this one that touch it, and whether they do one voxel further along the row.
  const rows: (readonly [dz: number, dy: number, reach: number])[] = [];
  for (const [dz, dy] of [
    [0, -1],
    [-1, -1],
    [-1, 0],
    [-1, 1],
  ] as const) {
    const apart = Math.abs(dz) + Math.abs(dy);
    if (apart <= order) rows.push([dz, dy, apart < order ? 1 : 0]);
  }
  let next = 0;
  for (let z = 0; z < d; z++)
    for (let y = 0; y < h; y++) {
      const row = (z * h + y) * w;
      for (let x = 0; x < w; x++) {
        if (mask[row + x] !== value) continue;
        const from = x;
        while (x < w && mask[row + x] === value) x++;
        let label = 0;
        for (let k = 0; k < rows.length; k++) {
          const [dz, dy, reach] = rows[k]!;
          if (z + dz < 0 || y + dy < 0 || y + dy >= h) continue;
          const other = row + (dz * h + dy) * w;
          const end = other + Math.min(w, x + reach);
          let last = 0;
          for (let i = other + Math.max(0, from - reach); i < end; i++) {
            const found = labels[i]!;
            if (found === 0 || found === last) continue;
            last = found;
            const top = root(found);
            if (label === 0 || top === label) label = top;
            else if (top < label) {
              parent[label] = top;
              label = top;
            } else parent[top] = label;
          }
        }
        if (label === 0) {
          label = ++next;
          parent[label] = label;
        }
        labels.fill(label, row + from, row + x);
      }
    }
  // Parents come first, so one pass upwards numbers every root and gives its number to its children.
  let count = 0;
  for (let i = 1; i <= next; i++) parent[i] = parent[i] === i ? ++count : parent[parent[i]!]!;
  for (let i = 0; i < labels.length; i++) if (labels[i] !== 0) labels[i] = parent[labels[i]!]!;
  return { labels, count };
}

/**
 * Connected components of a mask: two passes over runs of voxels with union-find, linear time.
 *
 * @param mask - values 0 and 1, C order of `shape` (two or three sizes).
 * @throws ShapeError, OptionError or DataError for input that does not fit.
 * @see Rosenfeld and Pfaltz, "Sequential operations in digital picture processing", JACM 1966.
 */
export function connectedComponents(
  mask: Mask,
  shape: readonly number[],
  options: ConnectedComponentsOptions = {},
): ConnectedComponents {
  checkGrid("connectedComponents", shape);
  checkMask("connectedComponents", "mask", mask, shape);
  return componentsOf(mask, 1, shape, neighbourOrder("connectedComponents", shape.length, options.connectivity));
}
