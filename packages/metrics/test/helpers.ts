/** Size of the golden volume of two shifted balls. */
export const shape = [16, 48, 48];
/** Its spacing. */
export const mm = [3, 1, 1];

/** Voxels within `radius` mm of a voxel. */
export const ball = (radius: number, at: readonly number[]): Uint8Array => {
  const mask = new Uint8Array(16 * 48 * 48);
  for (let z = 0, i = 0; z < 16; z++)
    for (let y = 0; y < 48; y++)
      for (let x = 0; x < 48; x++, i++)
        if ((3 * (z - at[0]!)) ** 2 + (y - at[1]!) ** 2 + (x - at[2]!) ** 2 <= radius ** 2) mask[i] = 1;
  return mask;
};
