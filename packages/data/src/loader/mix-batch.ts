import type { RandomSource } from "@semiseg/random";
import { drawMixBox, mixPatches } from "../mix-patches.js";
import { pasteForeground } from "../paste-foreground.js";
import type { Patch } from "../transforms/apply-patch.js";
import { product } from "../transforms/grid.js";
import type { AugmentOptions, MixRecord } from "../types.js";

const DEFAULT_RATIO = [0.25, 0.5] as const;

/** Decides which items of a batch get pieces of which others. */
export function drawMixes(
  options: AugmentOptions,
  counts: { readonly labeled: number; readonly unlabeled: number },
  patchSize: readonly number[],
  random: RandomSource,
): MixRecord[] {
  const [low, high] = options.cutMixRatio ?? DEFAULT_RATIO;
  const box = (source: RandomSource) => drawMixBox(patchSize, low + (high - low) * source.next(), source);
  const out: MixRecord[] = [];
  for (let slot = 0; slot < counts.labeled + counts.unlabeled; slot++) {
    const unlabeled = slot >= counts.labeled;
    const [first, count] = unlabeled ? [counts.labeled, counts.unlabeled] : [0, counts.labeled];
    const own = random.fork(slot);
    const cut = own.fork("cutMix");
    if (cut.next() < (options.cutMix ?? 0) && count > 1) {
      const other = first + cut.integers(0, count - 1, 1)[0]!;
      out.push({ slot, from: other < slot ? other : other + 1, piece: box(cut) });
    }
    const paste = own.fork("copyPaste");
    if (unlabeled && paste.next() < (options.copyPaste ?? 0)) {
      const from = paste.integers(0, counts.labeled, 1)[0]!;
      out.push({ slot, from, piece: options.copyPasteMode === "box" ? box(paste) : "foreground" });
    }
  }
  return out;
}

/** A batch's arrays as they are being filled. */
export interface OpenBatch {
  readonly image: Float32Array;
  readonly strong: Float32Array | null;
  readonly labels: Int32Array;
  readonly pasted: Int32Array | null;
}

/** Applies the mixes in order, from the patches as they were before any: images, strong views and labels alike. */
export function mixBatch(
  batch: OpenBatch,
  patches: readonly Patch[],
  mixes: readonly MixRecord[],
  patchSize: readonly number[],
  channels: number,
): void {
  const voxels = product(patchSize);
  const labeled = batch.labels.length / voxels;
  for (const { slot, from, piece } of mixes) {
    const source = patches[from]!;
    const put = <T extends Float32Array | Int32Array>(into: T, inside: T, at: number, width: number) => {
      const target = into.subarray(at * voxels * width, (at + 1) * voxels * width) as T;
      target.set(
        piece === "foreground"
          ? pasteForeground(inside, target, source.labels!, width)
          : mixPatches(inside, target, patchSize, width, piece),
      );
    };
    put(batch.image, source.image, slot, channels);
    if (batch.strong) put(batch.strong, source.strong!, slot, channels);
    if (slot < labeled) put(batch.labels, Int32Array.from(source.labels!), slot, 1);
    else if (batch.pasted) {
      // An unlabelled source covers what was pasted before it with the unknown.
      const known = from < labeled ? Int32Array.from(source.labels!) : new Int32Array(voxels).fill(-1);
      put(batch.pasted, known, slot - labeled, 1);
    }
  }
}
