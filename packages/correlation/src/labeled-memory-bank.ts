import { CheckpointError, checkNumber, DataError, ShapeError } from "@semiseg/errors";
import type { RandomStream } from "@semiseg/nn";
import { type Tensor, tensor2d } from "@tensorflow/tfjs-core";
import { joinRows, rowsByClass, thinRows } from "./rows-by-class.js";

/** Options of {@link LabeledMemoryBank}. */
export interface LabeledMemoryBankOptions {
  readonly numClasses: number;
  /** Vectors sampled per class. Default 256. */
  readonly perClass?: number;
  /** Vectors kept per class and scan; more are thinned evenly. Default 4096; `Infinity` keeps all, as published. */
  readonly capacityPerClass?: number;
}

/** What a scan's slot is filled with. */
export interface MemoryRows {
  readonly width: number;
  /** Row by row. */
  readonly values: Float32Array;
  /** One per row. */
  readonly classes: Int32Array;
}

interface Slot {
  /** Sorted by class. */
  readonly embeddings: Float32Array;
  /** Vectors of each class. */
  readonly counts: readonly number[];
}

/** Serializable bank. */
export interface LabeledMemoryBankState {
  readonly numClasses: number;
  readonly width: number;
  /** One per scan: vectors of each class, and the vectors sorted by class. */
  readonly slots: readonly {
    readonly id: string;
    readonly counts: readonly number[];
    readonly embeddings: ArrayLike<number>;
  }[];
}

const sumOf = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/**
 * Embeddings of correctly classified labelled voxels, one slot per scan; a new visit of a scan replaces its slot. Lives
 * in host memory: 4 bytes times the embedding width per stored voxel, so at most 4 * width * numClasses *
 * capacityPerClass per scan.
 *
 * @see Gao et al. (CAML), MICCAI 2023, section 2.3, memory bank.
 */
export class LabeledMemoryBank {
  readonly numClasses: number;
  readonly perClass: number;
  readonly capacityPerClass: number;
  #slots = new Map<string, Slot>();
  #width = 0;

  constructor(options: LabeledMemoryBankOptions) {
    const { numClasses, perClass = 256, capacityPerClass = 4096 } = options;
    checkNumber("LabeledMemoryBank", "numClasses", numClasses, { integer: true, min: 2, max: 255 });
    checkNumber("LabeledMemoryBank", "perClass", perClass, { integer: true, min: 1 });
    if (capacityPerClass !== Number.POSITIVE_INFINITY)
      checkNumber("LabeledMemoryBank", "capacityPerClass", capacityPerClass, { integer: true, min: 1 });
    this.numClasses = numClasses;
    this.perClass = perClass;
    this.capacityPerClass = capacityPerClass;
  }

  /** Bytes of stored vectors. */
  get bytes(): number {
    return sumOf([...this.#slots.values()].map(({ embeddings }) => embeddings.byteLength));
  }

  /** Scans with a slot, in the order of their first visit. */
  get scanIds(): string[] {
    return [...this.#slots.keys()];
  }

  /** Stored vectors of each class. */
  get counts(): number[] {
    const slots = [...this.#slots.values()];
    return Array.from({ length: this.numClasses }, (_, c) => sumOf(slots.map(({ counts }) => counts[c]!)));
  }

  /** Vectors stored for a scan. */
  count(scanId: string): number {
    return sumOf(this.#slots.get(scanId)?.counts ?? []);
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
    this.store(scanId, {
      width: embeddings.shape[1]!,
      values: embeddings.dataSync() as Float32Array,
      classes: labels.dataSync() as Int32Array,
    });
  }

  /** {@link write} of values that are on this side. */
  store(scanId: string, { width, values, classes }: MemoryRows): void {
    if (this.#width !== 0 && width !== this.#width)
      throw new ShapeError(
        `LabeledMemoryBank.write: embeddings must be ${this.#width} wide as before, received ${width}`,
      );
    const unknown = classes.find((c) => !(c >= 0 && c < this.numClasses));
    if (unknown !== undefined)
      throw new DataError(`LabeledMemoryBank.write: labels must be 0 to ${this.numClasses - 1}, received ${unknown}`);
    this.#width = width;
    const rows = rowsByClass(classes, this.numClasses).map((row) => thinRows(row, this.capacityPerClass));
    const stored = new Float32Array(sumOf(rows.map((row) => row.length)) * width);
    joinRows(rows).forEach((i, k) => {
      stored.set(values.subarray(i * width, (i + 1) * width), k * width);
    });
    this.#slots.set(scanId, { embeddings: stored, counts: rows.map((row) => row.length) });
  }

  /** Per class, `perClass` stored vectors `[perClass, E]` drawn without replacement, or null when there are fewer. */
  sample(random: RandomStream): (Tensor | null)[] {
    const stream = random.fork("memory bank");
    return this.counts.map((total, c) => {
      if (total < this.perClass) return null;
      // A partial Fisher-Yates shuffle of 0..total-1 that stores only what was moved.
      const own = stream.fork(c);
      const moved = new Map<number, number>();
      const out = new Float32Array(this.perClass * this.#width);
      for (let k = 0; k < this.perClass; k++) {
        const j = own.integers(k, total, 1)[0]!;
        const drawn = moved.get(j) ?? j;
        moved.set(j, moved.get(k) ?? k);
        out.set(this.#vector(c, drawn), k * this.#width);
      }
      return tensor2d(out, [this.perClass, this.#width]);
    });
  }

  /** The `n`-th vector of a class over all slots. */
  #vector(c: number, n: number): Float32Array {
    let left = n;
    for (const { embeddings, counts } of this.#slots.values()) {
      if (left < counts[c]!) {
        const at = sumOf(counts.slice(0, c)) + left;
        return embeddings.subarray(at * this.#width, (at + 1) * this.#width);
      }
      left -= counts[c]!;
    }
    throw new RangeError(`LabeledMemoryBank: there is no vector ${n} of class ${c}`);
  }

  /** A copy for checkpoints; setting it throws CheckpointError for another number of classes or damaged slots. */
  get state(): LabeledMemoryBankState {
    const slots = [...this.#slots].map(([id, { embeddings, counts }]) => ({
      id,
      counts: [...counts],
      embeddings: Array.from(embeddings),
    }));
    return { numClasses: this.numClasses, width: this.#width, slots };
  }

  set state(state: LabeledMemoryBankState) {
    if (state?.numClasses !== this.numClasses)
      throw new CheckpointError(
        `LabeledMemoryBank: the state is for ${state?.numClasses} classes, this bank has ${this.numClasses}`,
      );
    const slots = state.slots.map(({ id, embeddings, counts }): [string, Slot] => {
      if (counts.length !== this.numClasses || embeddings.length !== sumOf(counts) * state.width)
        throw new CheckpointError(`LabeledMemoryBank: the slot '${id}' is damaged`);
      return [id, { embeddings: Float32Array.from(embeddings), counts: [...counts] }];
    });
    this.#width = state.width;
    this.#slots = new Map(slots);
  }
}
