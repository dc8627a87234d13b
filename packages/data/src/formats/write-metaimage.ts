import { OptionError } from "@semiseg/errors";
import { fortranToC } from "../bytes/reorder.js";
import { ARRAYS, bytesOfValues } from "../bytes/typed-values.js";
import type { DataType, Volume } from "../types.js";

const NAMES: Readonly<Record<DataType, string>> = {
  int8: "MET_CHAR",
  uint8: "MET_UCHAR",
  int16: "MET_SHORT",
  uint16: "MET_USHORT",
  int32: "MET_INT",
  uint32: "MET_UINT",
  float32: "MET_FLOAT",
  float64: "MET_DOUBLE",
};

/** Header text (for the data's size in the file) and data of a MetaImage file. */
export function metaImageParts(
  volume: Volume,
  littleEndian: boolean,
): { header: (compressedSize: number | null) => string; data: Uint8Array } {
  const { shape, affine, data, spacing } = volume;
  const rank = shape.length;
  if (rank > 4)
    throw new OptionError(`writeVolume: MetaImage is written with up to 4 axes, received [${shape.join(", ")}]`);
  const signs = [-1, -1, 1, 1];
  const size = (a: number) => (a < 3 ? (spacing[a] ?? 1) : 1);
  const matrix: number[] = [];
  const offset: number[] = [];
  for (let a = 0; a < rank; a++) {
    for (let r = 0; r < rank; r++)
      matrix.push(a < 3 && r < 3 ? (affine[4 * r + a]! / size(a)) * signs[r]! + 0 : a === r ? 1 : 0);
    offset.push(a < 3 ? affine[4 * a + 3]! * signs[a]! + 0 : 0);
  }
  const header = (compressedSize: number | null) =>
    [
      "ObjectType = Image",
      `NDims = ${rank}`,
      "BinaryData = True",
      `BinaryDataByteOrderMSB = ${littleEndian ? "False" : "True"}`,
      `CompressedData = ${compressedSize === null ? "False" : "True"}`,
      ...(compressedSize === null ? [] : [`CompressedDataSize = ${compressedSize}`]),
      `TransformMatrix = ${matrix.join(" ")}`,
      `Offset = ${offset.join(" ")}`,
      `CenterOfRotation = ${new Array(rank).fill(0).join(" ")}`,
      `ElementSpacing = ${shape.map((_, a) => size(a)).join(" ")}`,
      `DimSize = ${shape.join(" ")}`,
      `ElementType = ${NAMES[volume.dtype]}`,
      "ElementDataFile = LOCAL",
      "",
    ].join("\n");
  const ordered = fortranToC(data, new ARRAYS[volume.dtype](data.length), [...shape].reverse());
  return { header, data: bytesOfValues(ordered, littleEndian) };
}
