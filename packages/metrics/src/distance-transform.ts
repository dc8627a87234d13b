import { checkGrid, checkMask, type Mask } from "./metric-input.js";

/** Options of {@link distanceTransform}. */
export interface DistanceTransformOptions {
  /** In mm, in the order of `shape`. Default 1 along every axis. */
  readonly spacing?: readonly number[];
}

const FAR = 1e20;

/**
 * Squared distance of every voxel to the nearest voxel where `isZero` holds, in float64: separable lower envelopes of
 * parabolas (Felzenszwalb and Huttenlocher, "Distance transforms of sampled functions", Theory of Computing 2012),
 * exact and linear in the number of voxels. {@link FAR} or more where no such voxel exists.
 */
export function squaredDistances(
  isZero: (index: number) => boolean,
  shape: readonly number[],
  spacing: readonly number[],
): Float64Array {
  const size = shape.reduce((a, b) => a * b, 1);
  const out = new Float64Array(size);
  const last = shape.length - 1;
  const [n, step] = [shape[last]!, spacing[last]!];
  // Along the last axis two scans are enough.
  for (let row = 0; row < size; row += n) {
    let distance = FAR;
    for (let i = 0; i < n; i++) {
      distance = isZero(row + i) ? 0 : distance + step;
      out[row + i] = distance;
    }
    distance = FAR;
    for (let i = n - 1; i >= 0; i--) {
      distance = out[row + i] === 0 ? 0 : distance + step;
      const d = Math.min(out[row + i]!, distance);
      out[row + i] = d >= FAR ? FAR : d * d;
    }
  }
  let stride = n;
  for (let axis = last - 1; axis >= 0; axis--) {
    envelope(out, shape[axis]!, stride, spacing[axis]!);
    stride *= shape[axis]!;
  }
  return out;
}

/** Minimum over j of `f[j] + (spacing (i - j))^2` along one axis, in place. */
function envelope(values: Float64Array, n: number, stride: number, spacing: number): void {
  const f = new Float64Array(n);
  const apex = new Int32Array(n);
  const border = new Float64Array(n + 1);
  const weight = spacing * spacing;
  for (let block = 0; block < values.length; block += n * stride)
    for (let column = block; column < block + stride; column++) {
      let count = 0;
      for (let i = 0; i < n; i++) {
        const v = values[column + i * stride]!;
        f[i] = v;
        if (v >= FAR) continue;
        // Where this parabola passes below the one on top of the stack.
        let from = Number.NEGATIVE_INFINITY;
        while (count > 0) {
          const j = apex[count - 1]!;
          from = (v - f[j]! + weight * (i * i - j * j)) / (2 * weight * (i - j));
          if (from > border[count - 1]!) break;
          count--;
        }
        border[count] = count === 0 ? Number.NEGATIVE_INFINITY : from;
        apex[count++] = i;
      }
      if (count === 0) continue;
      for (let i = 0, k = 0; i < n; i++) {
        while (k + 1 < count && border[k + 1]! < i) k++;
        const d = i - apex[k]!;
        values[column + i * stride] = f[apex[k]!]! + weight * d * d;
      }
    }
}

/**
 * Exact Euclidean distance of every non-zero voxel to the nearest zero voxel, 0 at zero voxels (scipy's
 * `distance_transform_edt`). Infinity everywhere when there is no zero voxel.
 *
 * @param mask - values 0 and 1, C order of `shape` (two or three sizes).
 * @returns in mm (voxels without `spacing`).
 * @throws ShapeError, OptionError or DataError for input that does not fit.
 */
export function distanceTransform(
  mask: Mask,
  shape: readonly number[],
  options: DistanceTransformOptions = {},
): Float32Array {
  const spacing = checkGrid("distanceTransform", shape, options.spacing);
  checkMask("distanceTransform", "mask", mask, shape);
  const squared = squaredDistances((i) => mask[i] === 0, shape, spacing);
  return Float32Array.from(squared, (d) => (d >= FAR ? Number.POSITIVE_INFINITY : Math.sqrt(d)));
}
