/** One intensity change of a patch, with every number it needs. */
export type IntensityChange =
  | { readonly kind: "noise"; readonly deviation: number; readonly seed: number }
  | { readonly kind: "brightness"; readonly factor: number }
  | { readonly kind: "gamma"; readonly exponent: number };

/** Everything that was decided about a patch: applying it again to the same case gives the same patch. */
export interface PatchRecord {
  /** First voxel of the box on the prepared grid; negative where zeros are added. */
  readonly start: readonly number[];
  /** Size of that box, before its axes move. */
  readonly size: readonly number[];
  /** Axis moves (flips and quarter turns), as in `moveAxes`. */
  readonly permutation: readonly number[];
  readonly flips: readonly boolean[];
  readonly intensity: readonly IntensityChange[];
}
