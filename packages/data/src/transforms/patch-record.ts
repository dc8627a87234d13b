/** One intensity change of a patch, with every number it needs. */
export type IntensityChange =
  | { readonly kind: "noise"; readonly deviation: number; readonly seed: number }
  | { readonly kind: "brightness"; readonly factor: number }
  | { readonly kind: "gamma"; readonly exponent: number }
  | { readonly kind: "blur"; readonly sigma: number }
  | { readonly kind: "bias"; readonly strength: number; readonly coefficients: readonly number[] };

/** A smooth random displacement: cubic B-splines over control points, made again from its seed. */
export interface ElasticChange {
  /** Root mean square displacement along each axis, in voxels. */
  readonly deviation: number;
  /** Voxels between control points. */
  readonly spacing: number;
  readonly seed: number;
}

/** Rotation, scaling and elastic deformation: where each voxel of the box is looked up. */
export interface WarpRecord {
  /** Offset from the box's centre to offset in the volume: `rank` x `rank`, row-major, in voxels. */
  readonly matrix: readonly number[];
  readonly elastic?: ElasticChange;
}

/** Everything that was decided about a patch: applying it again to the same case gives the same patch. */
export interface PatchRecord {
  /** First voxel of the box on the prepared grid; negative where zeros are added. */
  readonly start: readonly number[];
  /** Size of that box, before its axes move. */
  readonly size: readonly number[];
  /** Absent: the box is cut out as it is. */
  readonly warp?: WarpRecord;
  /** Axis moves (flips and quarter turns), as in `moveAxes`. */
  readonly permutation: readonly number[];
  readonly flips: readonly boolean[];
  readonly intensity: readonly IntensityChange[];
}
