import { asThree, type GridValues, product, sameKind } from "./grid.js";

/** Where the voxels of a target grid are looked up in a source grid. */
export interface WarpMap {
  /** `[...S]` of the result. */
  readonly size: readonly number[];
  /** `source = sourceCentre + matrix (target - targetCentre) + displacement(target)`, in voxels. */
  readonly sourceCentre: readonly number[];
  readonly targetCentre: readonly number[];
  /** rank x rank, row-major. */
  readonly matrix: readonly number[];
  /** One field per axis over the target grid. */
  readonly displacement?: readonly Float32Array[];
}

type Nine = readonly [number, number, number, number, number, number, number, number, number];

/** A matrix of two or three axes as one of three: planes get a leading axis that stays. */
function matrixOfThree(matrix: readonly number[], rank: number): Nine {
  if (rank === 3) return matrix as Nine;
  const [a, b, c, d] = matrix as [number, number, number, number];
  return [1, 0, 0, 0, a, b, 0, c, d];
}

/**
 * Resamples `[...S, channels]` through a map: images (float32) linearly, labels (uint8) by the nearest voxel. Points
 * more than half a voxel outside the source are 0; nearer ones take the edge.
 */
export function warp<T extends GridValues>(data: T, spatial: readonly number[], channels: number, map: WarpMap): T {
  const rank = spatial.length;
  const out = sameKind(data, product(map.size) * channels);
  const linear = data instanceof Float32Array;
  const [nx, ny, nz] = asThree(spatial, 1);
  const [mx, my, mz] = asThree(map.size, 1);
  const [sx, sy, sz] = asThree(map.sourceCentre, 0);
  const [tx, ty, tz] = asThree(map.targetCentre, 0);
  const fields = map.displacement;
  const [fx, fy, fz] = fields ? (rank === 3 ? fields : [null, ...fields]) : [null, null, null];
  const [m0, m1, m2, m3, m4, m5, m6, m7, m8] = matrixOfThree(map.matrix, rank);
  const strideX = ny * nz * channels;
  const strideY = nz * channels;
  let voxel = 0;
  for (let x = 0; x < mx; x++)
    for (let y = 0; y < my; y++) {
      const dx = x - tx;
      const dy = y - ty;
      const rowX = sx + m0 * dx + m1 * dy;
      const rowY = sy + m3 * dx + m4 * dy;
      const rowZ = sz + m6 * dx + m7 * dy;
      for (let z = 0; z < mz; z++, voxel++) {
        const dz = z - tz;
        let px = rowX + m2 * dz;
        let py = rowY + m5 * dz;
        let pz = rowZ + m8 * dz;
        if (fx) px += fx[voxel]!;
        if (fy) py += fy[voxel]!;
        if (fz) pz += fz[voxel]!;
        if (px < -0.5 || py < -0.5 || pz < -0.5 || px > nx - 0.5 || py > ny - 0.5 || pz > nz - 0.5) continue;
        px = Math.min(nx - 1, Math.max(0, px));
        py = Math.min(ny - 1, Math.max(0, py));
        pz = Math.min(nz - 1, Math.max(0, pz));
        if (!linear) {
          const at = Math.round(px) * strideX + Math.round(py) * strideY + Math.round(pz) * channels;
          for (let c = 0; c < channels; c++) out[voxel * channels + c] = data[at + c]!;
          continue;
        }
        const ix = Math.floor(px);
        const iy = Math.floor(py);
        const iz = Math.floor(pz);
        const wx = px - ix;
        const wy = py - iy;
        const wz = pz - iz;
        const at = ix * strideX + iy * strideY + iz * channels;
        const gx = wx > 0 ? strideX : 0; // No neighbour is read where its weight is 0: it may not exist.
        const gy = wy > 0 ? strideY : 0;
        const gz = wz > 0 ? channels : 0;
        for (let c = 0; c < channels; c++) {
          const i = at + c;
          const p00 = data[i]! + wz * (data[i + gz]! - data[i]!);
          const p01 = data[i + gy]! + wz * (data[i + gy + gz]! - data[i + gy]!);
          const p10 = data[i + gx]! + wz * (data[i + gx + gz]! - data[i + gx]!);
          const p11 = data[i + gx + gy]! + wz * (data[i + gx + gy + gz]! - data[i + gx + gy]!);
          const p0 = p00 + wy * (p01 - p00);
          out[voxel * channels + c] = p0 + wx * (p10 + wy * (p11 - p10) - p0);
        }
      }
    }
  return out;
}
