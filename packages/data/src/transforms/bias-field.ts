import { asThree, product } from "./grid.js";

/** Exponents of the monomials of degree 1 to 3, in the order of the coefficients. */
export function biasExponents(rank: number): number[][] {
  const out: number[][] = [];
  for (let x = 0; x <= (rank === 3 ? 3 : 0); x++)
    for (let y = 0; y <= 3 - x; y++) for (let z = 0; z <= 3 - x - y; z++) if (x + y + z > 0) out.push([x, y, z]);
  return out;
}

/**
 * A smooth multiplicative field, as receive coils leave it: `exp(strength * p)` with p a cubic polynomial of the
 * position whose largest magnitude on the patch is 1.
 *
 * @param coefficients - one per entry of `biasExponents`.
 * @returns the field, shape `spatial`.
 */
export function biasField(spatial: readonly number[], strength: number, coefficients: readonly number[]): Float32Array {
  const exponents = biasExponents(spatial.length);
  const [nx, ny, nz] = asThree(spatial, 1);
  const at = (i: number, n: number) => (n > 1 ? (2 * i) / (n - 1) - 1 : 0);
  const field = new Float32Array(product(spatial));
  let largest = 0;
  let voxel = 0;
  for (let x = 0; x < nx; x++)
    for (let y = 0; y < ny; y++) {
      const inZ: [number, number, number, number] = [0, 0, 0, 0];
      for (const [n, [a, b, c]] of (exponents as [number, number, 0 | 1 | 2 | 3][]).entries())
        inZ[c] += coefficients[n]! * at(x, nx) ** a * at(y, ny) ** b;
      for (let z = 0; z < nz; z++, voxel++) {
        const t = at(z, nz);
        const value = inZ[0] + t * (inZ[1] + t * (inZ[2] + t * inZ[3]));
        field[voxel] = value;
        largest = Math.max(largest, Math.abs(value));
      }
    }
  const scale = largest > 0 ? strength / largest : 0;
  for (let v = 0; v < field.length; v++) field[v] = Math.exp(field[v]! * scale);
  return field;
}
