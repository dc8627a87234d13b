import { fortranToC } from "../bytes/reorder.js";
import { ARRAYS, bytesOfValues } from "../bytes/typed-values.js";
import type { DataType, Volume } from "../types.js";

const NAMES: Readonly<Record<DataType, string>> = {
  int8: "int8",
  uint8: "uint8",
  int16: "int16",
  uint16: "uint16",
  int32: "int32",
  uint32: "uint32",
  float32: "float",
  float64: "double",
};

/** Header text and data of an attached NRRD file in the space left-posterior-superior. */
export function nrrdParts(
  volume: Volume,
  compressed: boolean,
  littleEndian: boolean,
): { header: string; data: Uint8Array } {
  const { shape, affine, data } = volume;
  const spatial = Math.min(3, shape.length);
  // Two axes have no named space: ITK refuses planes in a three-dimensional one.
  const world = spatial;
  const signs = spatial === 3 ? [-1, -1, 1] : [1, 1, 1];
  const vector = (at: (r: number) => number) =>
    `(${[0, 1, 2]
      .slice(0, world)
      .map((r) => at(r) * signs[r]! + 0)
      .join(",")})`;
  const directions = shape.map((_, a) => (a < spatial ? vector((r) => affine[4 * r + a]!) : "none"));
  const header = [
    "NRRD0004",
    `type: ${NAMES[volume.dtype]}`,
    `dimension: ${shape.length}`,
    spatial === 3 ? "space: left-posterior-superior" : `space dimension: ${world}`,
    `sizes: ${shape.join(" ")}`,
    `space directions: ${directions.join(" ")}`,
    `kinds: ${shape.map((_, a) => (a < spatial ? "domain" : "list")).join(" ")}`,
    ...(data.BYTES_PER_ELEMENT > 1 ? [`endian: ${littleEndian ? "little" : "big"}`] : []),
    `encoding: ${compressed ? "gzip" : "raw"}`,
    `space origin: ${vector((r) => affine[4 * r + 3]!)}`,
    "",
    "",
  ].join("\n");
  const ordered = fortranToC(data, new ARRAYS[volume.dtype](data.length), [...shape].reverse());
  return { header, data: bytesOfValues(ordered, littleEndian) };
}
