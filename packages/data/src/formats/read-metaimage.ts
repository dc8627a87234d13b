import { DataError } from "@semiseg/errors";
import { determinant3, diagonalAffine, isFiniteAffine } from "../affine.js";
import { plainReader } from "../bytes/byte-reader.js";
import { inflatingReader, loadBytes } from "../bytes/open-bytes.js";
import { BYTES, dataTypeOf, type StoredType } from "../bytes/typed-values.js";
import type { Volume } from "../types.js";
import { detachedPath } from "./detached-file.js";
import { fortranValues } from "./fortran-volume.js";
import { numbers, sizes, textHeader } from "./text-header.js";

const TYPES: Readonly<Record<string, StoredType>> = {
  MET_CHAR: "int8",
  MET_UCHAR: "uint8",
  MET_SHORT: "int16",
  MET_USHORT: "uint16",
  MET_INT: "int32",
  MET_UINT: "uint32",
  MET_LONG: "int32",
  MET_ULONG: "uint32",
  MET_LONG_LONG: "int64",
  MET_ULONG_LONG: "uint64",
  MET_FLOAT: "float32",
  MET_DOUBLE: "float64",
};

/** Whether these bytes begin like a MetaImage header. */
export function isMetaImage(bytes: Uint8Array): boolean {
  const start = new TextDecoder("latin1").decode(bytes.subarray(0, 64));
  return /^\s*(ObjectType|NDims|Comment|ObjectSubType|TransformType)\s*=/.test(start);
}

const isTrue = (text: string | undefined): boolean => /^(true|1)$/i.test(text ?? "");

/** Reads MetaImage (.mha, .mhd with its data file; raw or zlib). World axes are left, posterior, superior, as in ITK. */
export async function readMetaImage(
  name: string,
  bytes: Uint8Array,
  maxBytes: number,
  ignoreTrailing: boolean,
): Promise<Volume> {
  const { lines, end } = textHeader(name, bytes, (line) => /^\s*ElementDataFile\s*=/.test(line));
  const fields = new Map<string, string>();
  for (const line of lines) {
    const at = line.indexOf("=");
    if (at > 0) fields.set(line.slice(0, at).trim(), line.slice(at + 1).trim());
  }
  if (fields.has("ObjectType") && fields.get("ObjectType") !== "Image")
    throw new DataError(`${name}: MetaImage holds a ${fields.get("ObjectType")}, not an Image`);
  const rank = Number(fields.get("NDims"));
  if (!Number.isInteger(rank) || rank < 1 || rank > 7)
    throw new DataError(`${name}: damaged MetaImage header: NDims is ${fields.get("NDims")}`);
  const shape = sizes(name, "DimSize", fields.get("DimSize"), rank);
  const stored = TYPES[(fields.get("ElementType") ?? "").replace(/_ARRAY$/, "")];
  if (!stored)
    throw new DataError(`${name}: MetaImage type ${JSON.stringify(fields.get("ElementType"))} is not supported`);
  const [components] = sizes(name, "ElementNumberOfChannels", fields.get("ElementNumberOfChannels") ?? "1", 1) as [
    number,
  ];
  if (fields.has("BinaryData") && !isTrue(fields.get("BinaryData")))
    throw new DataError(`${name}: MetaImage data as text is not supported`);

  const spatial = Math.min(3, rank);
  const given = fields.get("ElementSpacing") ?? fields.get("ElementSize");
  const spacing = given
    ? numbers(name, "ElementSpacing", given, rank).slice(0, 3).map(Math.abs)
    : new Array(spatial).fill(1);
  if (spacing.some((s) => s === 0))
    throw new DataError(`${name}: damaged MetaImage header: ElementSpacing is ${given}`);
  const matrixText = fields.get("TransformMatrix") ?? fields.get("Rotation") ?? fields.get("Orientation");
  const originText = fields.get("Offset") ?? fields.get("Position") ?? fields.get("Origin");
  const matrix = matrixText ? numbers(name, "TransformMatrix", matrixText, rank * rank) : null;
  const origin = originText ? numbers(name, "Offset", originText, rank) : new Array(rank).fill(0);
  const affine = diagonalAffine([1, 1, 1]);
  const signs = [-1, -1, 1];
  for (let r = 0; r < 3; r++) {
    for (let a = 0; a < 3; a++) {
      const inside = r < rank && a < rank;
      const cosine = inside && matrix ? matrix[a * rank + r]! : r === a ? 1 : 0;
      affine[4 * r + a] = cosine * (spacing[a] ?? 1) * signs[r]! + 0;
    }
    affine[4 * r + 3] = (origin[r] ?? 0) * signs[r]! + 0;
  }
  if (!isFiniteAffine(affine) || determinant3(affine) === 0)
    throw new DataError(`${name}: damaged MetaImage header: TransformMatrix is ${matrixText}`);

  const count = shape.reduce((a, b) => a * b, 1) * components * BYTES[stored];
  const file = fields.get("ElementDataFile")!;
  if (/^LIST|%/.test(file))
    throw new DataError(`${name}: MetaImage data spread over several files (${file}) is not supported`);
  const held =
    file === "LOCAL" ? { name, bytes: bytes.subarray(end) } : await loadBytes(detachedPath(name, file), maxBytes);
  const compressed = isTrue(fields.get("CompressedData"));
  const skip = Number(fields.get("HeaderSize") ?? 0);
  if (!Number.isInteger(skip) || skip < -1)
    throw new DataError(`${name}: damaged MetaImage header: HeaderSize is ${skip}`);
  const start = skip >= 0 ? skip : Math.max(0, held.bytes.length - count); // -1: the data is what ends the file
  const body = held.bytes.subarray(Math.min(start, held.bytes.length));
  const reader = compressed
    ? await inflatingReader(held.name, body, maxBytes, "deflate")
    : plainReader(held.name, body, maxBytes);
  try {
    const raw = await reader.read(
      count,
      `the data ([${shape.join(", ")}] of ${stored}${components > 1 ? ` x ${components}` : ""})`,
    );
    await reader.finish(ignoreTrailing);
    const little = !isTrue(fields.get("BinaryDataByteOrderMSB") ?? fields.get("ElementByteOrderMSB"));
    const { data, shape: final } = fortranValues(held.name, raw, stored, little, shape, components);
    return {
      data,
      shape: final,
      spacing,
      affine,
      dtype: dataTypeOf(data),
      meta: {
        source: name,
        format: "metaimage",
        storedDtype: stored,
        littleEndian: little,
        affineSource: matrix || originText ? "header" : "none",
        ...(components > 1 ? { components } : {}),
        ...(fields.has("Comment") ? { description: fields.get("Comment")! } : {}),
        header: Object.fromEntries(fields),
      },
    };
  } finally {
    reader.close();
  }
}
