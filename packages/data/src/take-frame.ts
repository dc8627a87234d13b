import { DataError } from "@semiseg/errors";
import type { TypedArray, Volume } from "./types.js";

/** One volume of a series: index `index` on the last axis of a volume with four or more axes. */
export function takeFrame(volume: Volume, index: number): Volume {
  const { shape, data, meta } = volume;
  const where = meta.source ?? "volume";
  if (shape.length < 4)
    throw new DataError(`${where}: index ${index} asks for one volume of a series, the shape is [${shape.join(", ")}]`);
  const frames = shape[shape.length - 1]!;
  if (index >= frames)
    throw new DataError(`${where}: index ${index} of a series of ${frames} volumes (0 to ${frames - 1})`);
  const out = data.slice(0, data.length / frames) as TypedArray;
  for (let v = 0; v < out.length; v++) out[v] = data[v * frames + index]!;
  return { ...volume, data: out, shape: shape.slice(0, -1) };
}
