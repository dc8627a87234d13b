import { overlapAlong, type WindowGrid } from "./window-grid.js";

/** Copies one window of an image (`[D, H, W, channels]`) to `target`; voxels outside the image stay as they are. */
export function readWindow(
  image: Float32Array,
  channels: number,
  grid: WindowGrid,
  [d, h, w]: readonly [number, number, number],
  target: Float32Array,
): void {
  const [wd, id, nd] = overlapAlong(grid, 0, d);
  const [wh, ih, nh] = overlapAlong(grid, 1, h);
  const [ww, iw, nw] = overlapAlong(grid, 2, w);
  for (let z = 0; z < nd; z++)
    for (let y = 0; y < nh; y++) {
      const from = (((id + z) * grid.space[1] + ih + y) * grid.space[2] + iw) * channels;
      const to = (((wd + z) * grid.roi[1] + wh + y) * grid.roi[2] + ww) * channels;
      target.set(image.subarray(from, from + nw * channels), to);
    }
}

/** Adds `weight * values` of one window to the sum over the image. */
export function addWindow(
  sum: Float32Array,
  channels: number,
  grid: WindowGrid,
  [d, h, w]: readonly [number, number, number],
  values: Float32Array,
  weights: Float32Array,
): void {
  const [wd, id, nd] = overlapAlong(grid, 0, d);
  const [wh, ih, nh] = overlapAlong(grid, 1, h);
  const [ww, iw, nw] = overlapAlong(grid, 2, w);
  for (let z = 0; z < nd; z++)
    for (let y = 0; y < nh; y++) {
      let voxel = ((wd + z) * grid.roi[1] + wh + y) * grid.roi[2] + ww;
      let from = voxel * channels;
      let to = (((id + z) * grid.space[1] + ih + y) * grid.space[2] + iw) * channels;
      for (let x = 0; x < nw; x++, voxel++) {
        const weight = weights[voxel]!;
        for (let c = 0; c < channels; c++) sum[to++]! += weight * values[from++]!;
      }
    }
}

/**
 * Divides the sum by the summed weights of all windows, in place. The weights are found plane by plane, so that no
 * second volume is needed.
 */
export function divideByWeights(sum: Float32Array, channels: number, grid: WindowGrid, weights: Float32Array): void {
  const [depth, height, width] = grid.space;
  const plane = new Float32Array(height * width);
  for (let z = 0; z < depth; z++) {
    plane.fill(0);
    for (const d of grid.starts[0]) {
      if (z < d || z >= d + grid.roi[0]) continue;
      for (const h of grid.starts[1])
        for (const w of grid.starts[2]) {
          const [wh, ih, nh] = overlapAlong(grid, 1, h);
          const [ww, iw, nw] = overlapAlong(grid, 2, w);
          for (let y = 0; y < nh; y++) {
            const from = ((z - d) * grid.roi[1] + wh + y) * grid.roi[2] + ww;
            const to = (ih + y) * width + iw;
            for (let x = 0; x < nw; x++) plane[to + x]! += weights[from + x]!;
          }
        }
    }
    let at = z * height * width * channels;
    for (let i = 0; i < plane.length; i++) for (let c = 0; c < channels; c++) sum[at++]! /= plane[i]!;
  }
}
