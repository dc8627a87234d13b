import { checkNumber, ShapeError } from "@semiseg/errors";
import { encode } from "fast-png";

/** What {@link slicePicture} draws. Arrays are in C order of `shape`, axes as in the file (i, j, k). */
export interface SlicePictureOptions {
  readonly image: ArrayLike<number>;
  readonly truth?: ArrayLike<number> | null;
  readonly prediction: ArrayLike<number>;
  /** `[i, j]` or `[i, j, k]`. */
  readonly shape: readonly number[];
  /** Plane along the last of three axes; by default the one where the truth (else the prediction) is largest. */
  readonly plane?: number;
  /** Rough width and height in pixels. Default 280. */
  readonly pixels?: number;
}

/** A picture of one plane. */
export interface SlicePicture {
  readonly png: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly plane: number;
}

function largestPlane(labels: ArrayLike<number>, planes: number): number {
  const counts = new Float64Array(planes);
  for (let i = 0; i < labels.length; i++) if (labels[i]! > 0) counts[i % planes]!++;
  return counts.reduce((best, count, k) => (count > counts[best]! ? k : best), counts.some(Boolean) ? 0 : planes >> 1);
}

/** Contour colours by class: greens and blues for the truth, reds and yellows for the prediction. */
const truthColors = [
  [34, 197, 94],
  [34, 211, 238],
  [163, 230, 53],
  [96, 165, 250],
] as const;
const predictionColors = [
  [248, 63, 94],
  [251, 191, 36],
  [232, 121, 249],
  [251, 146, 60],
] as const;

/**
 * A PNG of one plane with the contours of the truth (solid, green to blue) and of the prediction (red to yellow, drawn
 * one pixel further inside, so that both stay visible where they agree). First axis to the right, second axis upwards.
 */
export function slicePicture(options: SlicePictureOptions): SlicePicture {
  const { image, truth = null, prediction, shape, pixels = 280 } = options;
  if (shape.length !== 2 && shape.length !== 3)
    throw new ShapeError(`slicePicture: shape must have 2 or 3 axes, received [${shape}]`);
  const [columns, rows, planes] = [shape[0]!, shape[1]!, shape[2] ?? 1];
  const count = columns * rows * planes;
  for (const [name, values] of Object.entries({ image, prediction, ...(truth ? { truth } : {}) }))
    if (values.length !== count)
      throw new ShapeError(
        `slicePicture: ${name} must hold ${count} values for shape [${shape}], received ${values.length}`,
      );
  const plane = options.plane ?? largestPlane(truth ?? prediction, planes);
  checkNumber("slicePicture", "plane", plane, { integer: true, min: 0, below: planes });
  const zoom = Math.max(2, Math.round(pixels / Math.max(columns, rows)));
  const [width, height] = [columns * zoom, rows * zoom];
  const at = (i: number, j: number): number => (i * rows + j) * planes + plane;
  const sorted = Float32Array.from(
    { length: columns * rows },
    (_, p) => image[at(Math.floor(p / rows), p % rows)]!,
  ).sort();
  const low = sorted[Math.floor(sorted.length * 0.005)]!;
  const high = Math.max(sorted[Math.ceil(sorted.length * 0.995) - 1]!, low + 1e-12);
  const data = new Uint8Array(width * height * 3);
  const label = (labels: ArrayLike<number>, i: number, j: number): number =>
    i < 0 || j < 0 || i >= columns || j >= rows ? 0 : labels[at(i, j)]!;
  /** Whether the pixel lies within `depth` pixels of a side that another class adjoins. */
  const onEdge = (labels: ArrayLike<number>, i: number, j: number, x: number, y: number, depth: number): boolean => {
    const own = labels[at(i, j)]!;
    if (own === 0) return false;
    return (
      (x === depth && label(labels, i - 1, j) !== own) ||
      (x === zoom - 1 - depth && label(labels, i + 1, j) !== own) ||
      (y === depth && label(labels, i, j + 1) !== own) ||
      (y === zoom - 1 - depth && label(labels, i, j - 1) !== own)
    );
  };
  for (let row = 0; row < height; row++)
    for (let column = 0; column < width; column++) {
      const [i, j] = [Math.floor(column / zoom), rows - 1 - Math.floor(row / zoom)];
      const [x, y] = [column % zoom, row % zoom];
      const grey = Math.max(0, Math.min(255, Math.round((255 * (image[at(i, j)]! - low)) / (high - low))));
      let color: readonly [number, number, number] = [grey, grey, grey];
      if (truth && onEdge(truth, i, j, x, y, 0)) color = truthColors[(truth[at(i, j)]! - 1) % truthColors.length]!;
      if (onEdge(prediction, i, j, x, y, truth ? 1 : 0))
        color = predictionColors[(prediction[at(i, j)]! - 1) % predictionColors.length]!;
      data.set(color, (row * width + column) * 3);
    }
  return { png: encode({ width, height, data, channels: 3, depth: 8 }), width, height, plane };
}
