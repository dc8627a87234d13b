import { checkNumber } from "@semiseg/errors";

/**
 * Weight of each voxel of a window, C order of `size`: 1 everywhere (`constant`), or a product of Gaussians centred on
 * the window with sigma = `sigmaScale` times its side, never below 1e-3 or its own smallest value, whichever is larger
 * (`gaussian`; MONAI's `compute_importance_map`).
 *
 * @param size - `[...S]`, of any rank.
 */
export function importanceMap(
  size: readonly number[],
  mode: "constant" | "gaussian" = "constant",
  sigmaScale = 0.125,
): Float32Array {
  checkNumber("importanceMap", "sigmaScale", sigmaScale, { above: 0 });
  for (const side of size) checkNumber("importanceMap", "size", side, { integer: true, min: 1 });
  let map = new Float32Array([1]);
  for (const side of size) {
    const next = new Float32Array(map.length * side);
    for (let i = 0; i < side; i++) {
      const z = (i - (side - 1) / 2) / (sigmaScale * side);
      const weight = mode === "gaussian" ? Math.fround(Math.exp(-0.5 * z * z)) : 1;
      for (let j = 0; j < map.length; j++) next[j * side + i] = map[j]! * weight;
    }
    map = next;
  }
  if (mode === "gaussian") {
    let smallest = Number.POSITIVE_INFINITY;
    for (const weight of map) if (weight < smallest) smallest = weight;
    const floor = Math.max(smallest, 1e-3);
    for (let i = 0; i < map.length; i++) if (map[i]! < floor) map[i] = floor;
  }
  return map;
}
