import { pngBytes } from "../formats/write-png.js";
import type { Volume } from "../types.js";

const COLOURS = [
  [230, 57, 70],
  [42, 157, 143],
  [69, 123, 233],
  [244, 162, 97],
  [155, 93, 229],
  [0, 187, 249],
] as const;
const LONGEST = 112;

/** A PNG data URI of the slice with most label (else the middle one), the label's outline in colour. */
export async function thumbnail(image: Volume, label: Volume | null, dims: number): Promise<string> {
  const [nx, ny] = image.shape as [number, number];
  const nz = dims === 3 ? image.shape[2]! : 1;
  const channels = image.data.length / (nx * ny * nz);
  const fits = label && label.data.length === nx * ny * nz ? label : null;
  let slice = Math.floor(nz / 2);
  if (fits && nz > 1) {
    const filled = new Array<number>(nz).fill(0);
    for (let v = 0; v < fits.data.length; v++) if (fits.data[v]! > 0) filled[v % nz]!++;
    const most = Math.max(...filled);
    if (most > 0) slice = filled.indexOf(most);
  }
  const scale = Math.min(1, LONGEST / Math.max(nx, ny));
  const [width, height] = [Math.max(1, Math.round(nx * scale)), Math.max(1, Math.round(ny * scale))];
  const grey = new Float32Array(width * height);
  const classes = new Int32Array(width * height);
  for (let row = 0; row < height; row++)
    for (let column = 0; column < width; column++) {
      const x = Math.min(nx - 1, Math.floor((column + 0.5) / scale));
      const y = Math.min(ny - 1, Math.floor((height - row - 0.5) / scale)); // the second axis points up
      const voxel = (x * ny + y) * nz + slice;
      grey[row * width + column] = image.data[voxel * channels]!;
      classes[row * width + column] = fits ? Math.round(fits.data[voxel]!) : 0;
    }
  const sorted = Array.from(grey)
    .filter(Number.isFinite)
    .sort((a, b) => a - b);
  const low = sorted[Math.floor(sorted.length * 0.01)] ?? 0;
  const high = sorted[Math.floor(sorted.length * 0.99)] ?? 1;
  const pixels = new Uint8Array(width * height * 3);
  for (let p = 0; p < grey.length; p++) {
    const value = high > low ? ((grey[p]! - low) / (high - low)) * 255 : 128;
    const shade = Number.isFinite(value) ? Math.min(255, Math.max(0, value)) : 0;
    const here = classes[p]!;
    const edge = here > 0 && [p - 1, p + 1, p - width, p + width].some((q) => classes[q] !== here);
    const colour = edge ? COLOURS[(here - 1) % COLOURS.length]! : [shade, shade, shade];
    pixels.set(colour, p * 3);
  }
  const png = await pngBytes(pixels, [height, width, 3]);
  return `data:image/png;base64,${Buffer.from(png).toString("base64")}`;
}
