import { DataError } from "@semiseg/errors";
import { type Affine, determinant3, diagonalAffine, isFiniteAffine } from "../affine.js";
import { type ByteReader, plainReader } from "../bytes/byte-reader.js";
import { inflatingReader, loadBytes } from "../bytes/open-bytes.js";
import { BYTES, dataTypeOf, type StoredType } from "../bytes/typed-values.js";
import type { Volume } from "../types.js";
import { detachedPath } from "./detached-file.js";
import { fortranValues } from "./fortran-volume.js";
import { sizes as sizesOf, textHeader } from "./text-header.js";

const TYPES: Readonly<Record<string, StoredType>> = Object.fromEntries(
  (
    [
      ["int8", "signed char|int8|int8_t"],
      ["uint8", "uchar|unsigned char|uint8|uint8_t"],
      ["int16", "short|short int|signed short|signed short int|int16|int16_t"],
      ["uint16", "ushort|unsigned short|unsigned short int|uint16|uint16_t"],
      ["int32", "int|signed int|int32|int32_t"],
      ["uint32", "uint|unsigned int|uint32|uint32_t"],
      ["int64", "longlong|long long|long long int|signed long long|signed long long int|int64|int64_t"],
      ["uint64", "ulonglong|unsigned long long|unsigned long long int|uint64|uint64_t"],
      ["float32", "float"],
      ["float64", "double"],
    ] as const
  ).flatMap(([type, names]) => names.split("|").map((n) => [n, type])),
);

/** Signs that take the three world axes of a space to right, anterior, superior. */
const SPACES: Readonly<Record<string, readonly [number, number, number]>> = {
  "right-anterior-superior": [1, 1, 1],
  ras: [1, 1, 1],
  "left-anterior-superior": [-1, 1, 1],
  las: [-1, 1, 1],
  "left-posterior-superior": [-1, -1, 1],
  lps: [-1, -1, 1],
};

/** Whether these bytes begin like a NRRD file. */
export const isNrrd = (bytes: Uint8Array): boolean => new TextDecoder("latin1").decode(bytes.subarray(0, 4)) === "NRRD";

/** Reads NRRD (attached or detached; raw, gzip, text). */
export async function readNrrd(
  name: string,
  bytes: Uint8Array,
  maxBytes: number,
  ignoreTrailing: boolean,
): Promise<Volume> {
  const { lines, end } = textHeader(name, bytes, (line) => line === "", true);
  const fields = new Map<string, string>();
  for (const line of lines.slice(1)) {
    if (line.startsWith("#") || line.includes(":=")) continue;
    const at = line.indexOf(": ");
    if (at < 0) throw new DataError(`${name}: damaged NRRD header: ${JSON.stringify(line.slice(0, 60))}`);
    fields.set(line.slice(0, at).toLowerCase().replace(/ /g, ""), line.slice(at + 2).trim());
  }
  const rank = Number(fields.get("dimension"));
  if (!Number.isInteger(rank) || rank < 1 || rank > 7)
    throw new DataError(`${name}: damaged NRRD header: dimension is ${fields.get("dimension")}`);
  const shape = sizesOf(name, "sizes", fields.get("sizes"), rank);
  const stored = TYPES[(fields.get("type") ?? "").toLowerCase()];
  if (!stored) throw new DataError(`${name}: NRRD type ${JSON.stringify(fields.get("type"))} is not supported`);
  const geometry = geometryOf(name, fields, rank);

  const source = await dataReader(name, bytes.subarray(end), fields, maxBytes);
  const values = shape.reduce((a, b) => a * b, 1);
  const what = `the data ([${shape.join(", ")}] of ${stored})`;
  const encoding = (fields.get("encoding") ?? "").toLowerCase();
  let raw: Uint8Array;
  if (["text", "txt", "ascii"].includes(encoding)) raw = textValues(name, source.text!, values, stored);
  else {
    raw = await source.reader!.read(values * BYTES[stored], what);
    await source.reader!.finish(ignoreTrailing);
  }
  source.reader?.close();
  const little = stored.endsWith("8") || encoding.match(/text|txt|ascii/) ? true : fields.get("endian") !== "big";
  if (BYTES[stored] > 1 && source.reader && !fields.has("endian"))
    throw new DataError(`${name}: damaged NRRD header: no endian for ${stored}`);

  const components = geometry.componentsFirst ? shape[0]! : 1;
  const spatial = geometry.componentsFirst ? shape.slice(1) : shape;
  const { data, shape: final } = fortranValues(name, raw, stored, little, spatial, components);
  return {
    data,
    shape: geometry.componentsFirst && components === 1 ? [...final, 1] : final,
    spacing: geometry.spacing,
    affine: geometry.affine,
    dtype: dataTypeOf(data),
    meta: {
      source: name,
      format: "nrrd",
      storedDtype: stored,
      littleEndian: little,
      affineSource: geometry.known ? "header" : "none",
      ...(geometry.componentsFirst ? { components } : {}),
      ...(fields.has("content") ? { description: fields.get("content")! } : {}),
      header: Object.fromEntries(fields),
    },
  };
}

/** Spacing and affine; a first axis without direction (or of a colour or vector kind) holds components. */
function geometryOf(name: string, fields: ReadonlyMap<string, string>, rank: number) {
  const bad = (field: string) =>
    new DataError(`${name}: damaged NRRD header: '${field}' is ${JSON.stringify(fields.get(field.replace(/ /g, "")))}`);
  const vectors = fields.get("spacedirections")?.match(/none|\([^)]*\)/g) ?? null;
  if (fields.has("spacedirections") && vectors?.length !== rank) throw bad("space directions");
  const kinds = fields.get("kinds")?.toLowerCase().split(/\s+/) ?? [];
  const valued = /^(list|vector|.*-vector|.*-color|complex|point|covariant-vector|normal|.*-matrix|.*-list)$/;
  const componentsFirst = rank > 1 && (vectors ? vectors[0] === "none" : valued.test(kinds[0] ?? ""));
  const first = componentsFirst ? 1 : 0;
  const spatial = Math.min(3, vectors ? vectors.filter((v) => v !== "none").length : rank - first);
  let spacing: number[] = new Array(spatial).fill(1);
  if (!vectors) {
    const listed = fields
      .get("spacings")
      ?.split(/\s+/)
      .map(Number)
      .slice(first, first + spatial);
    if (listed?.some((s) => Number.isFinite(s) && s === 0)) throw bad("spacings");
    spacing = spacing.map((_, a) => (Number.isFinite(listed?.[a]) ? Math.abs(listed![a]!) : 1));
    return { spacing, affine: diagonalAffine(spacing) as Affine, known: false, componentsFirst };
  }
  const parse = (text: string): number[] => text.slice(1, -1).split(",").map(Number);
  const directions = vectors.slice(first, first + spatial).map((v) => (v === "none" ? [Number.NaN] : parse(v)));
  const origin = fields.has("spaceorigin") ? parse(fields.get("spaceorigin")!) : new Array(spatial).fill(0);
  const worldDims = directions[0]?.length ?? 0;
  if (directions.some((d) => d.length !== worldDims || !d.every(Number.isFinite)) || worldDims > 3 || worldDims < 1)
    throw bad("space directions");
  if (origin.length !== worldDims || !origin.every(Number.isFinite)) throw bad("space origin");
  const space = fields.get("space")?.toLowerCase();
  const signs = SPACES[space ?? ""] ?? [1, 1, 1];
  const affine = diagonalAffine([1, 1, 1]);
  directions.forEach((d, a) => {
    for (let r = 0; r < 3; r++) affine[4 * r + a] = (d[r] ?? (r === a ? 1 : 0)) * signs[r]!;
  });
  for (let r = 0; r < 3; r++) affine[4 * r + 3] = (origin[r] ?? 0) * signs[r]!;
  if (!isFiniteAffine(affine) || determinant3(affine) === 0) throw bad("space directions");
  spacing = directions.map((d) => Math.hypot(...d));
  return { spacing, affine: affine as Affine, known: space !== undefined && space in SPACES, componentsFirst };
}

async function dataReader(name: string, rest: Uint8Array, fields: ReadonlyMap<string, string>, maxBytes: number) {
  const file = fields.get("datafile");
  if (file && /^LIST|%/.test(file))
    throw new DataError(`${name}: NRRD data spread over several files (${file}) is not supported`);
  const held = file ? await loadBytes(detachedPath(name, file), maxBytes) : { name, bytes: rest };
  const lineSkip = Number(fields.get("lineskip") ?? 0);
  const byteSkip = Number(fields.get("byteskip") ?? 0);
  if (!Number.isInteger(lineSkip) || lineSkip < 0 || !Number.isInteger(byteSkip) || byteSkip < 0)
    throw new DataError(`${name}: NRRD line skip ${lineSkip} and byte skip ${byteSkip} are not supported`);
  let bytes = held.bytes;
  for (let n = 0; n < lineSkip; n++) {
    const stop = bytes.indexOf(10);
    if (stop < 0) throw new DataError(`${held.name}: the file is truncated: it has fewer than ${lineSkip} lines`);
    bytes = bytes.subarray(stop + 1);
  }
  const encoding = (fields.get("encoding") ?? "").toLowerCase();
  if (["text", "txt", "ascii"].includes(encoding)) {
    const text = new TextDecoder("latin1").decode(bytes.subarray(byteSkip));
    return { text };
  }
  let reader: ByteReader;
  if (encoding === "raw") reader = plainReader(held.name, bytes, maxBytes);
  else if (encoding === "gzip" || encoding === "gz") reader = await inflatingReader(held.name, bytes, maxBytes);
  else throw new DataError(`${name}: NRRD encoding ${JSON.stringify(fields.get("encoding"))} is not supported`);
  if (byteSkip > 0) await reader.read(byteSkip, "byte skip");
  return { reader };
}

function textValues(name: string, text: string, count: number, stored: StoredType): Uint8Array {
  const words = text.trim().split(/[\s,]+/);
  if (words.length < count) throw new DataError(`${name}: the file is truncated: ${words.length} of ${count} values`);
  const view = new DataView(new ArrayBuffer(count * BYTES[stored]));
  for (let n = 0; n < count; n++) {
    const x = Number(words[n]);
    if (Number.isNaN(x) && !/^nan$/i.test(words[n]!))
      throw new DataError(`${name}: value ${n} is ${JSON.stringify(words[n])}`);
    const at = n * BYTES[stored];
    if (stored === "float32") view.setFloat32(at, x, true);
    else if (stored === "float64") view.setFloat64(at, x, true);
    else if (!Number.isInteger(x)) throw new DataError(`${name}: value ${n} is ${words[n]}, expected ${stored}`);
    else if (BYTES[stored] === 8) view.setBigInt64(at, BigInt(x), true);
    else if (BYTES[stored] === 4) view.setInt32(at, x, true);
    else if (BYTES[stored] === 2) view.setInt16(at, x, true);
    else view.setInt8(at, x);
  }
  return new Uint8Array(view.buffer);
}
