import { ShapeError } from "@semiseg/errors";

/**
 * A patch that is `inside` where `labels` are above 0 and `outside` elsewhere: copy-paste of organs. Pass `labels` once
 * more as `inside` (and the other patch's, or -1 for unknown, as `outside`) to get the labels that belong to it.
 *
 * @param inside - values of `[...patchSize, channels]`; left as they are, like `outside`.
 * @param labels - classes of `inside`, shape `patchSize`.
 */
export function pasteForeground<T extends Float32Array | Uint8Array | Int32Array>(
  inside: T,
  outside: T,
  labels: Uint8Array | Int32Array,
  channels: number,
): T {
  for (const [name, values] of [
    ["inside", inside],
    ["outside", outside],
  ] as const)
    if (values.length !== labels.length * channels)
      throw new ShapeError(
        `pasteForeground: ${name} must have ${labels.length * channels} values (labels x channels), received ${values.length}`,
      );
  const out = outside.slice() as T;
  for (let v = 0; v < labels.length; v++)
    if (labels[v]! > 0) for (let c = v * channels; c < (v + 1) * channels; c++) out[c] = inside[c]!;
  return out;
}
