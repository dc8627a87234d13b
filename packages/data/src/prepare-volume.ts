import { checkChoice, checkNumber, DataError, OptionError } from "@semiseg/errors";
import { columnNorm, multiplyAffines } from "./affine.js";
import type { RawCase } from "./read-case.js";
import { cropPad } from "./transforms/crop-pad.js";
import { product } from "./transforms/grid.js";
import { type AxisMove, identityMove, moveAxes } from "./transforms/move-axes.js";
import { normalizeInPlace } from "./transforms/normalize.js";
import { resample, resampledSize } from "./transforms/resample.js";
import type { PreparedCase, PreprocessOptions, TypedArray } from "./types.js";

/** Checks preprocessing options for volumes of `dims` spatial axes. */
export function checkPreprocess(options: PreprocessOptions, dims: number): void {
  const where = "preprocess";
  checkChoice(where, "normalize", options.normalize ?? "zscore", ["zscore", "zscore-nonzero", "minmax", "none"]);
  checkChoice(where, "crop", options.crop ?? "none", ["none", "nonzero", "label"]);
  const lengths = { spacing: options.spacing, padTo: options.padTo, cropMargin: options.cropMargin };
  for (const [name, value] of Object.entries(lengths))
    if (Array.isArray(value) && value.length !== dims)
      throw new OptionError(`${where}: ${name} must have ${dims} entries, received [${value.join(", ")}]`);
  for (const s of options.spacing ?? []) if (s !== null) checkNumber(where, "spacing", s, { above: 0 });
  for (const n of options.padTo ?? []) checkNumber(where, "padTo", n, { integer: true, min: 1 });
  for (const n of [options.cropMargin ?? 0].flat()) checkNumber(where, "cropMargin", n, { integer: true, min: 0 });
  const [low, high] = options.percentiles ?? [0, 100];
  if (!(low >= 0 && low < high && high <= 100))
    throw new OptionError(`${where}: percentiles must satisfy 0 <= low < high <= 100, received [${low}, ${high}]`);
  if (options.clip && !(options.clip[0] < options.clip[1]))
    throw new OptionError(`${where}: clip must be [low, high] with low < high, received [${options.clip.join(", ")}]`);
}

/** Prepares a case that was read with `readCase` (or any image and label of that form); see `PreprocessOptions`. */
export function prepareVolume(raw: RawCase, options: PreprocessOptions = {}): PreparedCase {
  return preparedFrom(raw, options, false);
}

/** As `prepareVolume`; `owned` arrays may be changed and become part of the result. */
export function preparedFrom(raw: RawCase, options: PreprocessOptions, owned: boolean): PreparedCase {
  const { image, label } = raw;
  const original = image.shape.slice(0, -1);
  const dims = original.length;
  const channels = image.shape[dims]!;
  checkPreprocess(options, dims);
  if (options.crop === "label" && !label)
    throw new DataError(
      `${image.meta.source ?? raw.id}: crop 'label' needs a label; an unlabelled case must not be cropped by what it hasn't`,
    );
  const move = options.reorient ? canonicalMove(image.affine, dims) : identityMove(dims);
  const mine = (data: TypedArray) => owned && data.byteLength === data.buffer.byteLength; // not a part of a whole file
  const values = image.data instanceof Float32Array && mine(image.data) ? image.data : new Float32Array(image.data);
  const moved = moveAxes(values, original, channels, move);
  let labels = label ? moveAxes(label.data as Uint8Array, original, 1, move).data : null;
  const movedSpacing = move.permutation.map((p) => image.spacing[p]!);
  let affine = multiplyAffines(image.affine, moveAffine(move, original));

  const target = movedSpacing.map((s, a) => options.spacing?.[a] ?? s);
  const size = resampledSize(moved.spatial, movedSpacing, target);
  const ratio = target.map((t, a) => t / movedSpacing[a]!);
  let data = resample(moved.data, moved.spatial, channels, size, ratio, "linear");
  if (labels) labels = resample(labels, moved.spatial, 1, size, ratio, "nearest");
  affine = multiplyAffines(affine, scaleAffine(moved.spatial, size, ratio));

  const box = boundingBox(options, size, data, channels, labels);
  normalizeInPlace(data, channels, options);

  const padded = box.size.map((n, a) => Math.max(n, options.padTo?.[a] ?? 0));
  const before = padded.map((n, a) => Math.floor((n - box.size[a]!) / 2));
  const start = box.start.map((s, a) => s - before[a]!);
  const inPlace = padded.every((n, a) => n === size[a]) && start.every((s) => s === 0);
  if (!inPlace) {
    // Crop first, so that padding is zero and not what the crop took away.
    data = cropPad(cropPad(data, size, channels, box.start, box.size), box.size, channels, before.map(negate), padded);
    if (labels)
      labels = cropPad(cropPad(labels, size, 1, box.start, box.size), box.size, 1, before.map(negate), padded);
  }
  affine = multiplyAffines(affine, shiftAffine(start));
  return {
    id: raw.id,
    image: data,
    imageShape: [...padded, channels],
    labels: labels && labels === label?.data && !mine(labels) ? labels.slice() : labels,
    spacing: target,
    affine,
    record: {
      originalShape: original,
      originalSpacing: image.spacing,
      originalAffine: image.affine,
      permutation: move.permutation,
      flips: move.flips,
      resampledShape: size,
      resampledSpacing: target,
      cropStart: box.start,
      cropSize: box.size,
      padBefore: before,
      padAfter: padded.map((n, a) => n - box.size[a]! - before[a]!),
    },
  };
}

const negate = (n: number): number => -n;

/** The move that makes axes run to Right, Anterior, Superior as nearly as axis swaps allow. */
function canonicalMove(affine: readonly number[], dims: number): AxisMove {
  if (dims !== 3) throw new OptionError("preprocess: reorient needs three spatial axes");
  const cosine = (row: number, axis: number) => affine[4 * row + axis]! / columnNorm(affine, axis);
  const free = new Set([0, 1, 2]);
  const permutation: number[] = [];
  // The clearest direction chooses first, so that oblique volumes don't use an axis twice.
  const rows = [0, 1, 2].sort((p, q) => best(q) - best(p));
  function best(row: number): number {
    return Math.max(...[0, 1, 2].map((axis) => Math.abs(cosine(row, axis))));
  }
  for (const row of rows) {
    const axis = [...free].sort((p, q) => Math.abs(cosine(row, q)) - Math.abs(cosine(row, p)))[0]!;
    free.delete(axis);
    permutation[row] = axis;
  }
  return { permutation, flips: permutation.map((axis, row) => cosine(row, axis) < 0) };
}

/** Moved index to original index. */
function moveAffine(move: AxisMove, spatial: readonly number[]): number[] {
  const out = new Array<number>(16).fill(0);
  out[15] = 1;
  for (let a = spatial.length; a < 3; a++) out[5 * a] = 1;
  move.permutation.forEach((p, a) => {
    out[4 * p + a] = move.flips[a] ? -1 : 1;
    if (move.flips[a]) out[4 * p + 3] = spatial[p]! - 1;
  });
  return out;
}

/** Resampled index to index before. */
function scaleAffine(before: readonly number[], after: readonly number[], ratio: readonly number[]): number[] {
  const out = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
  ratio.forEach((r, a) => {
    out[5 * a] = r;
    out[4 * a + 3] = (before[a]! - 1) / 2 - ((after[a]! - 1) / 2) * r;
  });
  return out;
}

function shiftAffine(start: readonly number[]): number[] {
  const out = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
  start.forEach((s, a) => {
    out[4 * a + 3] = s;
  });
  return out;
}

/** The kept box on the resampled grid. */
function boundingBox(
  options: PreprocessOptions,
  size: readonly number[],
  image: Float32Array,
  channels: number,
  labels: Uint8Array | null,
): { start: number[]; size: number[] } {
  const whole = { start: size.map(() => 0), size: [...size] };
  if (!options.crop || options.crop === "none") return whole;
  const low = size.map(() => Number.POSITIVE_INFINITY);
  const high = size.map(() => -1);
  const index = size.map(() => 0);
  for (let v = 0; v < product(size); v++) {
    let inside = false;
    if (options.crop === "label") inside = labels![v] !== 0;
    else for (let c = 0; c < channels && !inside; c++) inside = image[v * channels + c] !== 0;
    if (inside)
      for (let a = 0; a < index.length; a++) {
        if (index[a]! < low[a]!) low[a] = index[a]!;
        if (index[a]! > high[a]!) high[a] = index[a]!;
      }
    for (let a = index.length - 1; a >= 0; a--) {
      if (++index[a]! < size[a]!) break;
      index[a] = 0;
    }
  }
  if (high[0]! < 0) return whole; // Nothing inside: keep everything.
  const margin = size.map((_, a) =>
    typeof options.cropMargin === "object" ? options.cropMargin[a]! : (options.cropMargin ?? 0),
  );
  const start = low.map((l, a) => Math.max(0, l - margin[a]!));
  return { start, size: high.map((h, a) => Math.min(size[a]!, h + 1 + margin[a]!) - start[a]!) };
}
