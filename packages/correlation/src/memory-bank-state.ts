import { CheckpointError } from "@semiseg/errors";
import type { TermState } from "@semiseg/method";
import { dispose, keep, type Tensor, tensor } from "@tensorflow/tfjs-core";
import type { LabeledMemoryBank, LabeledMemoryBankState } from "./labeled-memory-bank.js";

interface SavedBank {
  readonly numClasses: number;
  readonly width: number;
  readonly slots: readonly { readonly id: string; readonly counts: readonly number[] }[];
}

/** A bank as a term keeps it in checkpoints: vectors as one tensor, what they are as JSON. */
export function memoryBankState(bank: LabeledMemoryBank): TermState & { release(): void } {
  let saved: Tensor | null = null;
  /** A checkpoint reads the tensor after `save`; it is freed at the next step. */
  const release = (): void => {
    if (saved) dispose(saved);
    saved = null;
  };
  return {
    release,
    save: () => {
      release();
      const { slots, ...rest } = bank.state;
      const all = new Float32Array(slots.reduce((n, { embeddings }) => n + embeddings.length, 0));
      let at = 0;
      for (const { embeddings } of slots) {
        all.set(embeddings, at);
        at += embeddings.length;
      }
      saved = all.length > 0 ? keep(tensor(all, [all.length / rest.width, rest.width])) : null;
      const json: SavedBank = { ...rest, slots: slots.map(({ id, counts }) => ({ id, counts })) };
      return { json, tensors: new Map(saved ? [["embeddings", saved] as const] : []) };
    },
    load: ({ json, tensors }) => {
      const { slots, ...rest } = json as SavedBank;
      const all = (tensors?.get("embeddings")?.dataSync() ?? new Float32Array()) as Float32Array;
      let at = 0;
      const full = slots.map(({ id, counts }) => {
        const from = at;
        at += counts.reduce((a, b) => a + b, 0) * rest.width;
        return { id, counts, embeddings: all.subarray(from, at) };
      });
      if (at !== all.length)
        throw new CheckpointError(`memory bank: the checkpoint holds ${all.length} numbers, its slots ${at}`);
      bank.state = { ...rest, slots: full } satisfies LabeledMemoryBankState;
    },
  };
}
