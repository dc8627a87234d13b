import { CheckpointError, checkNumber, DataError, ShapeError } from "@semiseg/errors";
import type { RandomStream } from "@semiseg/nn";
import { type Tensor, tensor2d } from "@tensorflow/tfjs-core";

/** Options of {@link LabeledMemoryBank}. */
export interface LabeledMemoryBankOptions {
  readonly numClasses: number;
  /** Vectors sampled per class. Default 256. */
  readonly perClass?: number;
  /** Vectors kept per class and scan; more are thinned evenly. Default: all. */
  readonly capacityPerClass?: number;
}

interface Slot {
  readonly embeddings: Float32Array;
  readonly labels: Uint8Array;
}

/** Serializable bank. */
export interface LabeledMemoryBankState {
  readonly numClasses: number;
  readonly width: number;
  readonly slots: readonly { readonly id: string; readonly embeddings: number[]; readonly labels: number[] }[];
}

/**
 * Embeddings of correctly classified labelled voxels, one slot per scan; a new visit of a scan replaces its slot. Lives
 * in host memory: 4 bytes times the embedding width, plus 1, per stored voxel.
 *
 * @see Gao et al. (CAML), MICCAI 2023, section 2.3, memory bank.
 */
export class LabeledMemoryBank {
  readonly numClasses: number;
  readonly perClass: number;
  readonly #capacity: number;
  #slots = new Map<string, Slot>();
  #width = 0;

  constructor(options: LabeledMemoryBankOptions) {
    const { numClasses, perClass = 256, capacityPerClass = Number.MAX_SAFE_INTEGER } = options;
    checkNumber("LabeledMemoryBank", "numClasses", numClasses, { integer: true, min: 2, max: 255 });
    checkNumber("LabeledMemoryBank", "perClass", perClass, { integer: true, min: 1 });
    checkNumber("LabeledMemoryBank", "capacityPerClass", capacityPerClass, { integer: true, min: 1 });
    this.numClasses = numClasses;
    this.perClass = perClass;
    this.#capacity = capacityPerClass;
  }

  /** Bytes of stored vectors. */
  get bytes(): number {
    let total = 0;
    for (const { embeddings, labels } of this.#slots.values()) total += embeddings.byteLength + labels.byteLength;
    return total;
  }

  /** Vectors stored for a scan. */
  count(scanId: string): number {
    return this.#slots.get(scanId)?.labels.length ?? 0;
  }

  /**
   * Replaces the slot of a scan.
   *
   * @param embeddings - `[R, E]`, of voxels that were classified correctly.
   * @param labels - int32 `[R]`.
   */
  write(scanId: string, embeddings: Tensor, labels: Tensor): void {
    if (embeddings.rank !== 2 || labels.shape.join() !== String(embeddings.shape[0]))
      throw new ShapeError(
        `LabeledMemoryBank.write: embeddings must be [R, E] and labels [R], received [${embeddings.shape.join(", ")}] and [${labels.shape.join(", ")}]`,
      );
    const width = embeddings.shape[1]!;
    if (this.#width !== 0 && width !== this.#width)
      throw new ShapeError(
        `LabeledMemoryBank.write: embeddings must be ${this.#width} wide as before, received ${width}`,
      );
    this.#width = width;
    const classes = labels.dataSync();
    const rows: number[][] = Array.from({ length: this.numClasses }, () => []);
    for (const [i, c] of classes.entries()) {
      if (!(c >= 0 && c < this.numClasses))
        throw new DataError(`LabeledMemoryBank.write: labels must be 0 to ${this.numClasses - 1}, received ${c}`);
      rows[c]!.push(i);
    }
    const kept = rows.flatMap((row) => {
      const step = Math.max(1, row.length / this.#capacity);
      return Array.from({ length: Math.min(row.length, this.#capacity) }, (_, k) => row[Math.floor(k * step)]!);
    });
    kept.sort((a, b) => a - b);
    const values = embeddings.dataSync();
    const stored = new Float32Array(kept.length * width);
    for (const [k, i] of kept.entries()) stored.set(values.subarray(i * width, (i + 1) * width), k * width);
    this.#slots.set(scanId, { embeddings: stored, labels: Uint8Array.from(kept, (i) => classes[i]!) });
  }

  /** Per class, `perClass` stored vectors `[perClass, E]` drawn without replacement, or null when there are fewer. */
  sample(random: RandomStream): (Tensor | null)[] {
    const stream = random.fork("memory bank");
    return Array.from({ length: this.numClasses }, (_, c) => {
      const found: [Slot, number][] = [];
      for (const slot of this.#slots.values())
        for (let i = 0; i < slot.labels.length; i++) if (slot.labels[i] === c) found.push([slot, i]);
      if (found.length < this.perClass) return null;
      // A partial Fisher-Yates shuffle: only what is drawn is moved.
      const own = stream.fork(c);
      const out = new Float32Array(this.perClass * this.#width);
      for (let k = 0; k < this.perClass; k++) {
        const j = own.integers(k, found.length, 1)[0]!;
        [found[k], found[j]] = [found[j]!, found[k]!];
        const [slot, i] = found[k]!;
        out.set(slot.embeddings.subarray(i * this.#width, (i + 1) * this.#width), k * this.#width);
      }
      return tensor2d(out, [this.perClass, this.#width]);
    });
  }

  /** For checkpoints. */
  get state(): LabeledMemoryBankState {
    const slots = [...this.#slots].map(([id, { embeddings, labels }]) => ({
      id,
      embeddings: [...embeddings],
      labels: [...labels],
    }));
    return { numClasses: this.numClasses, width: this.#width, slots };
  }

  set state(state: LabeledMemoryBankState) {
    if (state?.numClasses !== this.numClasses)
      throw new CheckpointError(
        `LabeledMemoryBank: the state is for ${state?.numClasses} classes, this bank has ${this.numClasses}`,
      );
    this.#width = state.width;
    this.#slots = new Map(
      state.slots.map(({ id, embeddings, labels }) => {
        if (embeddings.length !== labels.length * state.width)
          throw new CheckpointError(`LabeledMemoryBank: the slot '${id}' is damaged`);
        return [id, { embeddings: Float32Array.from(embeddings), labels: Uint8Array.from(labels) }];
      }),
    );
  }
}
