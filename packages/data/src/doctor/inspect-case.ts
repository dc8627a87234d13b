import { createHash } from "node:crypto";
import { columnNorm } from "../affine.js";
import { generatePhantom } from "../phantom/generate-phantom.js";
import type { PhantomOptions } from "../phantom/phantom-options.js";
import { readVolume } from "../read-volume.js";
import type { CaseRef, Dataset, Volume } from "../types.js";
import type { CaseFacts, Finding, FindingCode, Severity } from "./doctor-report.js";
import { thumbnail } from "./thumbnail.js";

/** Facts and findings of one case, and fingerprints to compare with other cases. */
export interface Inspection {
  readonly facts: CaseFacts;
  readonly findings: Finding[];
  readonly imageHash: string | null;
  readonly labelHash: string | null;
  readonly affineIsIdentity: boolean;
}

/** Directions that the axes run to, as nibabel's axis codes; "?" where unknown. */
export function orientationOf(volume: Volume, dims: number): string {
  if (volume.meta.affineSource === "none") return "?";
  let out = "";
  for (let axis = 0; axis < Math.min(3, dims); axis++) {
    const cosines = [0, 1, 2].map((row) => volume.affine[4 * row + axis]! / columnNorm(volume.affine, axis));
    const row = cosines.reduce((best, c, r) => (Math.abs(c) > Math.abs(cosines[best]!) ? r : best), 0);
    out += ["RL", "AP", "SI"][row]![cosines[row]! > 0 ? 0 : 1]!;
  }
  return out;
}

const hashOf = (volume: Volume): string => {
  const hash = createHash("sha256").update(volume.shape.join());
  // As float32, so that the same values in another element type are the same content.
  const values = new Float32Array(volume.data);
  return hash.update(new Uint8Array(values.buffer)).digest("hex");
};

const close = (a: readonly number[], b: readonly number[], tolerance: number): boolean =>
  a.every((x, i) => Math.abs(x - (b[i] ?? Number.NaN)) <= tolerance * Math.max(1, Math.abs(x)));

/** Reads and measures one case; nothing it finds stops it. */
export async function inspectCase(
  dataset: Dataset,
  ref: CaseRef,
  part: CaseFacts["part"],
  pictures: boolean,
): Promise<Inspection> {
  const findings: Finding[] = [];
  const say = (code: FindingCode, severity: Severity, message: string) =>
    void findings.push({ code, severity, cases: [ref.id], message });
  const read = async (path: string): Promise<Volume | null> => {
    try {
      return await readVolume(path);
    } catch (error) {
      say("unreadable", "error", (error as Error).message);
      return null;
    }
  };
  const dims = dataset.spatialDims;
  const generated = ref.index === undefined ? null : generatePhantom(ref.index, dataset.config as PhantomOptions);
  const images: Volume[] = generated ? [generated.image] : [];
  for (const path of generated ? [] : [ref.image].flat()) {
    const volume = await read(path);
    if (volume) images.push(volume);
  }
  const image = images[0] ?? null;
  const label = generated?.label ?? (ref.label === undefined ? null : await read(ref.label));
  const channels = images.length > 1 ? images.length : (image?.shape[dims] ?? 1);
  if (image && image.shape.length > dims + 1)
    say(
      "channel-count",
      "error",
      `the image has shape [${image.shape.join(", ")}], expected ${dims} axes and channels`,
    );
  else if (image && channels !== dataset.channels)
    say("channel-count", "error", `the image has ${channels} channels, the data set ${dataset.channels}`);
  for (const other of images.slice(1))
    if (other.shape.join() !== image!.shape.join())
      say(
        "shape-mismatch",
        "error",
        `channels have shapes [${image!.shape.join(", ")}] and [${other.shape.join(", ")}]`,
      );
  if (image && label) compare(image, label, dims, say);
  if (ref.label === undefined && part !== "test") say("no-label", "note", "has no label");

  const measured = image
    ? measure(image, say)
    : { min: Number.NaN, max: Number.NaN, mean: Number.NaN, range: Number.NaN };
  const counts = label ? countLabels(dataset, label, say) : null;
  if (image) {
    const norms = image.spacing.map((_, a) => columnNorm(image.affine, a));
    if (!close(image.spacing, norms, 1e-3))
      say(
        "spacing-inconsistent",
        "warning",
        `the header's spacing is ${show(image.spacing)} mm, its affine has ${show(norms)} mm`,
      );
  }
  const identity = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
  return {
    findings,
    imageHash: image ? hashOf(image) : null,
    labelHash: label ? hashOf(label) : null,
    affineIsIdentity: image !== null && (image.meta.affineSource === "none" || close(image.affine, identity, 1e-6)),
    facts: {
      id: ref.id,
      part,
      shape: image ? image.shape : null,
      spacing: image?.spacing ?? [],
      orientation: image ? orientationOf(image, dims) : "?",
      dtype: image?.meta.storedDtype ?? image?.dtype ?? "?",
      ...measured,
      labels: counts,
      thumbnail: pictures && image ? await thumbnail(image, label, dims) : null,
    },
  };
}

export const show = (values: readonly number[]): string => values.map((x) => +x.toPrecision(4)).join(" x ");

type Say = (code: FindingCode, severity: Severity, message: string) => void;

function compare(image: Volume, label: Volume, dims: number, say: Say): void {
  const spatial = image.shape.slice(0, dims);
  const own = [...label.shape];
  while (own.length > dims && own[own.length - 1] === 1) own.pop();
  if (spatial.join() !== own.join())
    say("shape-mismatch", "error", `the image has [${spatial.join(", ")}] voxels, its label [${own.join(", ")}]`);
  const known = image.meta.affineSource !== "none" && label.meta.affineSource !== "none";
  if (!close(image.spacing.slice(0, dims), label.spacing.slice(0, dims), 1e-3))
    say("spacing-mismatch", "warning", `the image has ${show(image.spacing)} mm, its label ${show(label.spacing)} mm`);
  else if (known && !close(image.affine, label.affine, 1e-3))
    say("affine-mismatch", "warning", "image and label are not at the same place: their affines differ");
}

function measure(image: Volume, say: Say) {
  const { data } = image;
  let [min, max, sum, bad] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0];
  for (let v = 0; v < data.length; v++) {
    const x = data[v]!;
    if (!Number.isFinite(x)) {
      bad++;
      continue;
    }
    if (x < min) min = x;
    if (x > max) max = x;
    sum += x;
  }
  const good = data.length - bad;
  if (bad > 0) say("nan", "error", `${bad} of ${data.length} voxels are NaN or infinite`);
  if (good > 0 && min === max) say("constant", "error", `every voxel is ${min}`);
  const step = Math.max(1, Math.floor(data.length / 50_000));
  const sample: number[] = [];
  for (let v = 0; v < data.length; v += step) if (Number.isFinite(data[v])) sample.push(data[v]!);
  sample.sort((a, b) => a - b);
  const at = (p: number) => sample[Math.round(p * (sample.length - 1))] ?? Number.NaN;
  return { min, max, mean: good > 0 ? sum / good : Number.NaN, range: at(0.99) - at(0.01) };
}

function countLabels(dataset: Dataset, label: Volume, say: Say): Record<string, number> {
  const counts = new Map<number, number>();
  for (const x of label.data as Float32Array) {
    const known = counts.get(x);
    if (known === undefined && counts.size >= 1000) continue;
    counts.set(x, (known ?? 0) + 1);
  }
  const values = [...counts.keys()].sort((a, b) => a - b);
  const fractional = values.filter((x) => Math.abs(x - Math.round(x)) > 1e-4 || Number.isNaN(x));
  const allowed = new Set((dataset.labelValues ?? dataset.classNames.map((_, c) => c)).flat());
  const strange = values.filter((x) => !fractional.includes(x) && !allowed.has(Math.round(x)));
  const list = (xs: readonly number[]) =>
    xs
      .slice(0, 6)
      .map((x) => +x.toPrecision(6))
      .join(", ");
  if (fractional.length > 0)
    say("fractional-labels", "error", `label values that are no whole numbers: ${list(fractional)}`);
  else if ((label.meta.storedDtype ?? label.dtype).startsWith("float"))
    say(
      "float-labels",
      "warning",
      `the label is stored as ${label.meta.storedDtype ?? label.dtype}; its values are whole`,
    );
  if (strange.length > 0)
    say(
      "label-values",
      "error",
      `label values that are no class: ${list(strange)} (classes: ${dataset.classNames.join(", ")})`,
    );
  if (values.every((x) => x === 0)) say("empty-label", "warning", "the label is empty");
  return Object.fromEntries(values.slice(0, 64).map((x) => [String(x), counts.get(x)!]));
}
