import { colorAt, predictionColors, truthColors } from "./colors.mjs";

/**
 * One plane of a volume.
 *
 * @param {ArrayLike<number>} values - C order of `shape`.
 * @param {readonly number[]} shape - `[i, j]` or `[i, j, k]`; channels and batch must be gone.
 * @param {{ axis?: number, plane?: number }} [at] - which axis to cut (default the last) and where (default the middle).
 * @returns {{ values: Float32Array, columns: number, rows: number }} first remaining axis along columns (to the right),
 *   second along rows (upwards in pictures).
 */
export function planeOf(values, shape, { axis = shape.length - 1, plane } = {}) {
  if (shape.length !== 2 && shape.length !== 3)
    throw new RangeError(`planeOf: shape must have 2 or 3 axes, received [${shape}]`);
  if (values.length !== shape.reduce((a, b) => a * b, 1))
    throw new RangeError(`planeOf: shape [${shape}] does not fit ${values.length} values`);
  if (shape.length === 2) return { values: Float32Array.from(values), columns: shape[0], rows: shape[1] };
  const strides = [shape[1] * shape[2], shape[2], 1];
  const [first, second] = [0, 1, 2].filter((a) => a !== axis);
  const at = plane ?? shape[axis] >> 1;
  if (!(at >= 0 && at < shape[axis]))
    throw new RangeError(`planeOf: plane must be in [0, ${shape[axis] - 1}], received ${at}`);
  const [columns, rows] = [shape[first], shape[second]];
  const out = new Float32Array(columns * rows);
  for (let i = 0; i < columns; i++)
    for (let j = 0; j < rows; j++)
      out[i * rows + j] = values[at * strides[axis] + i * strides[first] + j * strides[second]];
  return { values: out, columns, rows };
}

/** Paints a plane pixel by pixel; the second axis runs upwards. */
function painted({ values, columns, rows }, colorOf) {
  const rgb = new Uint8Array(columns * rows * 3);
  for (let i = 0; i < columns; i++)
    for (let j = 0; j < rows; j++) {
      const at = i * rows + j;
      rgb.set(colorOf(values[at], at), ((rows - 1 - j) * columns + i) * 3);
    }
  return { rgb, width: columns, height: rows };
}

/** An intensity image in grey between its 0.5th and 99.5th percentile, or a given window. */
export function greyPicture(plane, { low, high } = {}) {
  const sorted = Float32Array.from(plane.values).sort();
  const a = low ?? sorted[Math.floor(sorted.length * 0.005)];
  const b = high ?? Math.max(sorted[Math.ceil(sorted.length * 0.995) - 1], a + 1e-12);
  return painted(plane, (v) => {
    const grey = Math.max(0, Math.min(255, Math.round((255 * (v - a)) / (b - a))));
    return [grey, grey, grey];
  });
}

/**
 * A quantity in colour; the result carries its scale, and panels draw the bar beside it.
 *
 * @param {{ low?: number, high?: number, colors?: "ember" | "signed" | "grey", unit?: string }} [options] - bounds default
 *   to the plane's own; values outside take the end's colour, NaN is grey.
 */
export function heatPicture(plane, { low, high, colors = "ember", unit = "" } = {}) {
  const finite = plane.values.filter(Number.isFinite);
  const a = low ?? finite.reduce((x, y) => Math.min(x, y), Number.POSITIVE_INFINITY);
  const b = high ?? finite.reduce((x, y) => Math.max(x, y), Number.NEGATIVE_INFINITY);
  const picture = painted(plane, (v) =>
    Number.isFinite(v) ? colorAt(colors, b > a ? (v - a) / (b - a) : 0) : [128, 128, 128],
  );
  return { ...picture, scale: { low: a, high: b, colors, unit } };
}

/** Classes as flat colours over black, or over a grey plane with `opacity`. */
export function labelPicture(plane, { under, opacity = 0.55, colors = predictionColors } = {}) {
  const base = under ? greyPicture(under) : null;
  const picture = painted(plane, (label) => {
    if (!(label > 0)) return [0, 0, 0];
    const hex = colors[(label - 1) % colors.length];
    return [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
  });
  if (base)
    for (let p = 0; p < picture.rgb.length; p += 3) {
      const own = picture.rgb[p] + picture.rgb[p + 1] + picture.rgb[p + 2] > 0 ? opacity : 0;
      for (let c = 0; c < 3; c++)
        picture.rgb[p + c] = Math.round(base.rgb[p + c] * (1 - own) + picture.rgb[p + c] * own);
    }
  return picture;
}

/**
 * Outlines of the classes of a plane as SVG path data in pixel units, one entry a class.
 *
 * @param {{ of?: "truth" | "prediction", inset?: number }} [options] - colours, and how far inside the outline lies, so
 *   that truth and prediction both stay visible where they agree.
 * @returns {{ path: string, color: string }[]}
 */
export function contourPaths({ values, columns, rows }, { of = "prediction", inset = of === "truth" ? 0 : 0.12 } = {}) {
  const colors = of === "truth" ? truthColors : predictionColors;
  const label = (i, j) => (i < 0 || j < 0 || i >= columns || j >= rows ? 0 : values[i * rows + j]);
  const parts = new Map();
  const n = (v) => String(Number(v.toFixed(2)));
  for (let i = 0; i < columns; i++)
    for (let j = 0; j < rows; j++) {
      const own = label(i, j);
      if (!(own > 0)) continue;
      const [x, y] = [i, rows - 1 - j];
      let path = "";
      if (label(i - 1, j) !== own) path += `M${n(x + inset)} ${y}v1`;
      if (label(i + 1, j) !== own) path += `M${n(x + 1 - inset)} ${y}v1`;
      if (label(i, j + 1) !== own) path += `M${x} ${n(y + inset)}h1`;
      if (label(i, j - 1) !== own) path += `M${x} ${n(y + 1 - inset)}h1`;
      if (path) parts.set(own, (parts.get(own) ?? "") + path);
    }
  return [...parts].map(([own, path]) => ({ path, color: colors[(own - 1) % colors.length] }));
}

/** The plane along `axis` (default the last) that holds most foreground; the middle one where there is none. */
export function largestPlane(labels, shape, axis = shape.length - 1) {
  const stride = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const counts = new Float64Array(shape[axis]);
  for (let i = 0; i < labels.length; i++) if (labels[i] > 0) counts[Math.floor(i / stride) % shape[axis]]++;
  return counts.some(Boolean) ? counts.indexOf(Math.max(...counts)) : shape[axis] >> 1;
}

/** The last axis picked apart: values of one channel (class, feature) of `[..., channels]`. */
export function channelOf(values, channels, channel) {
  return Float32Array.from({ length: values.length / channels }, (_, i) => values[i * channels + channel]);
}

/** The class of the largest value along the last axis of `[..., C]`; ties go to the lower class. */
export function largestClass(values, classes) {
  return Uint8Array.from({ length: values.length / classes }, (_, i) => {
    let best = 0;
    for (let c = 1; c < classes; c++) if (values[i * classes + c] > values[i * classes + best]) best = c;
    return best;
  });
}
