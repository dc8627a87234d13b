import { DataError } from "@semiseg/errors";
import { diagonalAffine } from "./affine.js";
import { caseOf } from "./case-of.js";
import { generatePhantom } from "./phantom/generate-phantom.js";
import type { PhantomOptions } from "./phantom/phantom-options.js";
import { type ReadVolumeOptions, readVolume } from "./read-volume.js";
import type { CaseRef, Dataset, TypedArray, Volume } from "./types.js";

/** A case as its files have it, checked. */
export interface RawCase {
  readonly id: string;
  /** Shape `[...S, C]`. */
  readonly image: Volume;
  /** Classes, uint8 of shape `[...S]`; null without label. */
  readonly label: Volume | null;
}

/**
 * Reads image and label of a case and checks that they belong together.
 *
 * @throws DataError naming the files when shapes differ, an image holds NaN or infinite values, or a label holds
 * values that are no class.
 */
export async function readCase(dataset: Dataset, id: string, options: ReadVolumeOptions = {}): Promise<RawCase> {
  const ref = caseOf(dataset, id);
  const found =
    ref.index === undefined
      ? await readFiles(dataset, ref, options)
      : generatePhantom(ref.index, dataset.config as PhantomOptions);
  const image = withChannels(dataset, found.image);
  checkFinite(image);
  if (!found.label) return { id, image, label: null };
  const label = squeeze(found.label, dataset.spatialDims);
  const spatial = image.shape.slice(0, -1);
  if (spatial.join() !== label.shape.join())
    throw new DataError(
      `${nameOf(image)} has shape [${spatial.join(", ")}], its label ${nameOf(label)} has [${label.shape.join(", ")}]`,
    );
  return { id, image, label: classesOf(dataset, label) };
}

const nameOf = (volume: Volume): string => volume.meta.source ?? "volume";

/** Image and label at the same time: decompression runs beside the calling thread. */
async function readFiles(dataset: Dataset, ref: CaseRef, options: ReadVolumeOptions) {
  const [image, label] = await Promise.all([readImage(dataset, ref, options), readLabel(ref, options)]);
  return { image: plane(image, ref), label: plane(label, ref) };
}

async function readImage(dataset: Dataset, ref: CaseRef, options: ReadVolumeOptions): Promise<Volume> {
  if (typeof ref.image === "string") return readVolume(ref.image, options);
  const parts: Volume[] = [];
  for (const path of ref.image) parts.push(squeeze(await readVolume(path, options), dataset.spatialDims));
  const [first] = parts as [Volume, ...Volume[]];
  for (const part of parts)
    if (part.shape.join() !== first.shape.join())
      throw new DataError(
        `${nameOf(first)} has shape [${first.shape.join(", ")}], ${nameOf(part)} of the same case has [${part.shape.join(", ")}]`,
      );
  const C = parts.length;
  const data = new Float32Array(first.data.length * C);
  parts.forEach((part, c) => {
    for (let v = 0; v < part.data.length; v++) data[v * C + c] = part.data[v]!;
  });
  return { ...first, data, dtype: "float32", shape: [...first.shape, C] };
}

async function readLabel(ref: CaseRef, options: ReadVolumeOptions): Promise<Volume | null> {
  return ref.label === undefined ? null : readVolume(ref.label, options);
}

/** The slice that the case is of, or the volume itself. */
function plane<T extends Volume | null>(volume: T, { slice }: CaseRef): T | Volume {
  if (!volume || !slice) return volume;
  const { axis, index } = slice;
  const shape = [...volume.shape];
  if (!(index < (shape[axis] ?? 0))) throw new DataError(`${nameOf(volume)} has no slice ${index} on axis ${axis}`);
  const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const outer = shape.slice(0, axis).reduce((a, b) => a * b, 1);
  const data = volume.data.slice(0, inner * outer) as TypedArray;
  for (let o = 0; o < outer; o++)
    data.set(
      volume.data.subarray((o * shape[axis]! + index) * inner, (o * shape[axis]! + index + 1) * inner),
      o * inner,
    );
  const spacing = volume.spacing.filter((_, a) => a !== axis);
  shape.splice(axis, 1);
  return { ...volume, data, shape, spacing, affine: diagonalAffine(spacing) };
}

/** Drops trailing axes of size 1 beyond the spatial ones. */
function squeeze(volume: Volume, spatialDims: number): Volume {
  const shape = [...volume.shape];
  while (shape.length > spatialDims && shape[shape.length - 1] === 1) shape.pop();
  return { ...volume, shape, spacing: volume.spacing.slice(0, spatialDims) };
}

/** Adds or checks the channel axis. */
function withChannels(dataset: Dataset, volume: Volume): Volume {
  const { spatialDims: dims, channels } = dataset;
  const squeezed = squeeze(volume, dims);
  const shape = squeezed.shape.length === dims ? [...squeezed.shape, 1] : [...squeezed.shape];
  if (shape.length !== dims + 1 || shape[dims] !== channels)
    throw new DataError(
      `${nameOf(volume)} has shape [${volume.shape.join(", ")}], expected ${dims} spatial axes and ${channels} channel${channels > 1 ? "s" : ""}`,
    );
  return { ...squeezed, shape };
}

function checkFinite(image: Volume): void {
  if (!image.dtype.startsWith("float")) return;
  const { storedDtype = image.dtype, sclSlope = 1, sclInter = 0 } = image.meta;
  // Scaled integers of 16 bits at most are finite when their largest value is.
  if (/^u?int(8|16)$/.test(storedDtype) && Math.abs(sclSlope) * 65536 + Math.abs(sclInter) < 3e38) return;
  const { data } = image;
  let first = 0;
  // x - x is 0 for every finite number and NaN otherwise.
  while (first < data.length && data[first]! - data[first]! === 0) first++;
  if (first === data.length) return;
  let bad = 0;
  for (let v = first; v < data.length; v++) if (!Number.isFinite(data[v])) bad++;
  throw new DataError(
    `${nameOf(image)} holds ${bad} values that are NaN or infinite (the first is ${data[first]} at ${first})`,
  );
}

/** Label values as classes; float labels are fine where their values are, within the rounding of a scaled file. */
function classesOf(dataset: Dataset, label: Volume): Volume {
  const { classNames, labelValues } = dataset;
  const classOf = new Map<number, number>();
  classNames.forEach((_, index) => {
    const values = labelValues?.[index] ?? index;
    for (const value of typeof values === "number" ? [values] : values) classOf.set(value, index);
  });
  const table = new Int16Array(65536).fill(-1); // Fast where values fit; anything else goes through the map.
  for (const [value, index] of classOf) if (value >= 0 && value < 65536) table[value] = index;
  if (label.data instanceof Uint8Array && classNames.length < 255) {
    const small = Uint8Array.from({ length: 256 }, (_, value) => (table[value]! < 0 ? 255 : table[value]!));
    const classes = lookedUp(label.data, small);
    if (!classes) throw strangeLabels(dataset, label, classOf);
    return { ...label, data: classes, dtype: "uint8" };
  }
  const data = new Uint8Array(label.data.length);
  for (let v = 0; v < data.length; v++) {
    const value = label.data[v]!;
    const whole = Math.round(value);
    const index =
      Math.abs(value - whole) > 1e-4 ? -1 : whole >= 0 && whole < 65536 ? table[whole]! : classOf.get(whole);
    if (index === undefined || index < 0) throw strangeLabels(dataset, label, classOf);
    data[v] = index;
  }
  return { ...label, data, dtype: "uint8" };
}

/** Values through a table; the values themselves where each is its own class, null where one is none (255). */
function lookedUp(values: Uint8Array, table: Uint8Array): Uint8Array | null {
  let own = 0;
  while (own < 255 && table[own] === own) own++;
  let v = 0;
  while (v < values.length && values[v]! < own) v++;
  if (v === values.length) return values;
  const out = new Uint8Array(values.length);
  for (v = 0; v < values.length; v++) {
    const index = table[values[v]!]!;
    if (index === 255) return null;
    out[v] = index;
  }
  return out;
}

function strangeLabels(dataset: Dataset, label: Volume, classOf: ReadonlyMap<number, number>): DataError {
  const strange = new Set<number>();
  for (const x of label.data) if (!classOf.has(Math.round(x)) || Math.abs(x - Math.round(x)) > 1e-4) strange.add(x);
  return new DataError(
    `${nameOf(label)} holds label values that are no class: ${[...strange].slice(0, 8).join(", ")}; ` +
      `the classes are ${[...classOf].map(([value, c]) => `${value} = ${dataset.classNames[c]}`).join(", ")}`,
  );
}
