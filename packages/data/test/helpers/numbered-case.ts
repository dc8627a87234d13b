import type { PreparedCase } from "@semiseg/data";

/** A case whose image and labels are functions of the voxel's number, on a grid of `spacing` mm. */
export function numberedCase(
  spatial: readonly number[],
  {
    image = (v) => v,
    label = (v) => v % 7,
    spacing = spatial.map(() => 1),
  }: { image?: (v: number) => number; label?: (v: number) => number; spacing?: readonly number[] } = {},
): PreparedCase {
  const voxels = spatial.reduce((a, b) => a * b, 1);
  const zeros = spatial.map(() => 0);
  return {
    id: "n",
    image: Float32Array.from({ length: voxels }, (_, v) => image(v)),
    imageShape: [...spatial, 1],
    labels: Uint8Array.from({ length: voxels }, (_, v) => label(v)),
    spacing,
    affine: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1],
    record: {
      originalShape: spatial,
      originalSpacing: spacing,
      originalAffine: [],
      permutation: spatial.map((_, a) => a),
      flips: spatial.map(() => false),
      resampledShape: spatial,
      resampledSpacing: spacing,
      cropStart: zeros,
      cropSize: spatial,
      padBefore: zeros,
      padAfter: zeros,
    },
  };
}
