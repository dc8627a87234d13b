import { RandomSource } from "@semiseg/random";
import { product } from "./grid.js";
import type { ElasticChange } from "./patch-record.js";

/** Mean over one period of the sum of a cubic B-spline's squared weights: what smoothing leaves of the variance. */
const KEPT_VARIANCE = 151 / 315;

/** For every voxel of an axis its first control point and the four weights. */
function splineWeights(n: number, spacing: number): { first: Int32Array; weights: Float64Array; points: number } {
  const first = new Int32Array(n);
  const weights = new Float64Array(4 * n);
  for (let i = 0; i < n; i++) {
    const u = i / spacing;
    const t = u - Math.floor(u);
    first[i] = Math.floor(u);
    weights[4 * i] = (1 - t) ** 3 / 6;
    weights[4 * i + 1] = (3 * t ** 3 - 6 * t ** 2 + 4) / 6;
    weights[4 * i + 2] = (-3 * t ** 3 + 3 * t ** 2 + 3 * t + 1) / 6;
    weights[4 * i + 3] = t ** 3 / 6;
  }
  return { first, weights, points: Math.floor((n - 1) / spacing) + 4 };
}

/**
 * A random displacement for every voxel of a box: normal numbers at control points, cubic B-splines between them
 * (Rueckert et al., IEEE TMI 1999), scaled so that `deviation` is the root mean square along each axis.
 *
 * @returns one field per axis of `size`, values in voxels, C order.
 */
export function elasticField(size: readonly number[], elastic: ElasticChange): Float32Array[] {
  const axes = size.map((n) => splineWeights(n, elastic.spacing));
  const scale = elastic.deviation / KEPT_VARIANCE ** (size.length / 2);
  return size.map((_, component) => {
    const random = new RandomSource(elastic.seed).fork(component);
    const shape = axes.map((a) => a.points);
    let field: Float32Array = random.normals(product(shape), scale);
    for (let axis = size.length - 1; axis >= 0; axis--) {
      const { first, weights } = axes[axis]!;
      field = expandAxis(field, shape, axis, size[axis]!, first, weights);
      shape[axis] = size[axis]!;
    }
    return field;
  });
}

/** Control points to voxels along one axis. */
function expandAxis(
  values: Float32Array,
  shape: readonly number[],
  axis: number,
  n: number,
  first: Int32Array,
  weights: Float64Array,
): Float32Array {
  const outer = product(shape.slice(0, axis));
  const inner = product(shape.slice(axis + 1));
  const points = shape[axis]!;
  const out = new Float32Array(outer * n * inner);
  let to = 0;
  for (let o = 0; o < outer; o++)
    for (let i = 0; i < n; i++) {
      const from = (o * points + first[i]!) * inner;
      const a = weights[4 * i]!;
      const b = weights[4 * i + 1]!;
      const c = weights[4 * i + 2]!;
      const d = weights[4 * i + 3]!;
      for (let v = from; v < from + inner; v++)
        out[to++] = a * values[v]! + b * values[v + inner]! + c * values[v + 2 * inner]! + d * values[v + 3 * inner]!;
    }
  return out;
}
