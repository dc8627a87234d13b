import { checkNumber, OptionError, ShapeError } from "@semiseg/errors";
import type { RandomSource } from "@semiseg/random";
import { product } from "./transforms/grid.js";

/** A box on a patch. */
export interface MixBox {
  readonly start: readonly number[];
  readonly size: readonly number[];
}

/**
 * Draws the box of CutMix or copy-paste: `ratio` of the patch along every axis, everywhere inside equally likely.
 *
 * @param ratio - in (0, 1]; 2/3 is what bidirectional copy-paste (Bai et al., CVPR 2023) takes.
 */
export function drawMixBox(patchSize: readonly number[], ratio: number, random: RandomSource): MixBox {
  checkNumber("drawMixBox", "ratio", ratio, { above: 0, max: 1 });
  const size = patchSize.map((n) => Math.max(1, Math.round(n * ratio)));
  return { start: patchSize.map((n, a) => random.integers(0, n - size[a]! + 1, 1)[0]!), size };
}

/**
 * A patch that is `inside` within the box and `outside` elsewhere. Images and labels (or weight maps) are mixed by the
 * same box: copy-paste between a labelled and an unlabelled patch, both ways, is two calls.
 *
 * @param inside - values of `[...patchSize, channels]`; left as they are, like `outside`.
 */
export function mixPatches<T extends Float32Array | Uint8Array | Int32Array>(
  inside: T,
  outside: T,
  patchSize: readonly number[],
  channels: number,
  box: MixBox,
): T {
  const length = product(patchSize) * channels;
  for (const [name, values] of [
    ["inside", inside],
    ["outside", outside],
  ] as const)
    if (values.length !== length)
      throw new ShapeError(`mixPatches: ${name} must have ${length} values, received ${values.length}`);
  const fits = box.start.every((s, a) => s >= 0 && s + box.size[a]! <= patchSize[a]!);
  if (!fits || box.start.length !== patchSize.length || box.size.length !== patchSize.length)
    throw new OptionError(
      `mixPatches: the box from [${box.start.join(", ")}] of [${box.size.join(", ")}] must lie in [${patchSize.join(", ")}]`,
    );
  const out = outside.slice() as T;
  const last = patchSize.length - 1;
  const run = box.size[last]! * channels;
  const index = new Array<number>(last).fill(0);
  for (let row = 0; row < product(box.size.slice(0, last)); row++) {
    let at = 0;
    for (let a = 0; a <= last; a++) at = at * patchSize[a]! + box.start[a]! + (index[a] ?? 0);
    out.set(inside.subarray(at * channels, at * channels + run), at * channels);
    for (let a = last - 1; a >= 0; a--) {
      if (++index[a]! < box.size[a]!) break;
      index[a] = 0;
    }
  }
  return out;
}
