import { windowStarts } from "./window-starts.js";

/** Where the windows of one image lie. All lists have three entries; a 2-D image has a depth of 1. */
export interface WindowGrid {
  /** Size of the image. */
  readonly space: readonly [number, number, number];
  readonly roi: readonly [number, number, number];
  /** Starts per axis in image voxels; negative where the image is smaller than the window and is padded around. */
  readonly starts: readonly [readonly number[], readonly number[], readonly number[]];
  /** Every window, first axis slowest. */
  readonly windows: readonly (readonly [number, number, number])[];
}

/** The full grid of windows over `space`; short axes are padded symmetrically (the extra voxel at the end). */
export function windowGrid(space: readonly number[], roi: readonly number[], strides: readonly number[]): WindowGrid {
  const lift = (values: readonly number[]): [number, number, number] =>
    values.length === 2 ? [1, values[0]!, values[1]!] : [values[0]!, values[1]!, values[2]!];
  const [size, window, step] = [lift(space), lift(roi), lift(strides)];
  const along = (axis: 0 | 1 | 2): number[] => {
    const missing = window[axis] - size[axis];
    return missing > 0 ? [-Math.floor(missing / 2)] : windowStarts(size[axis], window[axis], step[axis]);
  };
  const starts = [along(0), along(1), along(2)] as const;
  const windows = starts[0].flatMap((d) => starts[1].flatMap((h) => starts[2].map((w) => [d, h, w] as const)));
  return { space: size, roi: window, starts, windows };
}

/** Overlap of a window's `axis` with the image: first voxel in the window, first in the image, and how many. */
export function overlapAlong(grid: WindowGrid, axis: 0 | 1 | 2, start: number): readonly [number, number, number] {
  const inWindow = Math.max(0, -start);
  const inImage = Math.max(0, start);
  return [inWindow, inImage, Math.min(grid.roi[axis] - inWindow, grid.space[axis] - inImage)];
}
