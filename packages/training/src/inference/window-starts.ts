import { checkNumber } from "@semiseg/errors";

/**
 * First voxels of the windows along one axis: `min(stride * i, length - size)` for i = 0 .. ceil((length - size) / stride);
 * `[0]` when one window covers the axis. The last window always ends at the last voxel.
 */
export function windowStarts(length: number, size: number, stride: number): number[] {
  checkNumber("windowStarts", "length", length, { integer: true, min: 1 });
  checkNumber("windowStarts", "size", size, { integer: true, min: 1 });
  checkNumber("windowStarts", "stride", stride, { integer: true, min: 1 });
  const last = length - size;
  if (last <= 0) return [0];
  return Array.from({ length: Math.ceil(last / stride) + 1 }, (_, i) => Math.min(stride * i, last));
}
