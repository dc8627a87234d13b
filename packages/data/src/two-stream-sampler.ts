import { checkNumber, OptionError } from "@semiseg/errors";

/** What the sampler needs of a random stream: forks that depend on the stream's seed and the name only. */
export interface ForkableRandom {
  fork(name: string | number): ForkableRandom & { shuffle<T>(array: readonly T[]): T[] };
}

/** Options of {@link twoStreamSampler}. */
export interface TwoStreamOptions {
  /** Labelled indices. */
  readonly primaryIndices: readonly number[];
  /** Unlabelled indices; may be empty when `secondaryBatchSize` is 0. */
  readonly secondaryIndices: readonly number[];
  /** Items per batch, labelled and unlabelled together. */
  readonly batchSize: number;
  /** Unlabelled items per batch. */
  readonly secondaryBatchSize: number;
  readonly random: ForkableRandom;
}

/** Batches of indices, labelled first. */
export interface TwoStreamSampler extends Iterable<number[]> {
  /** The batch of a step, for any step and in any order. */
  at(step: number): number[];
  /** Batches of one pass over the labelled indices. */
  readonly batchesPerEpoch: number;
  /** One epoch each time it is iterated; the next iteration gives the next epoch. */
  [Symbol.iterator](): Iterator<number[]>;
}

/**
 * Two streams of indices in one batch: `batchSize - secondaryBatchSize` labelled ones first, then the unlabelled ones. An
 * epoch is one shuffled pass over the labelled indices (an incomplete last batch is left out); the unlabelled stream is
 * an endless sequence of shuffled passes. Permutations come from forks of `random` by epoch, so `at(step)` needs no
 * history and a resumed run continues exactly.
 *
 * @throws OptionError when a stream has fewer indices than its share of a batch, or sizes are out of range.
 */
export function twoStreamSampler(options: TwoStreamOptions): TwoStreamSampler {
  const where = "twoStreamSampler";
  const { primaryIndices, secondaryIndices, batchSize, secondaryBatchSize, random } = options;
  checkNumber(where, "batchSize", batchSize, { integer: true, min: 1 });
  checkNumber(where, "secondaryBatchSize", secondaryBatchSize, { integer: true, min: 0, max: batchSize - 1 });
  const primaryBatchSize = batchSize - secondaryBatchSize;
  for (const [name, indices, least] of [
    ["primaryIndices", primaryIndices, primaryBatchSize],
    ["secondaryIndices", secondaryIndices, secondaryBatchSize],
  ] as const)
    if (indices.length < least)
      throw new OptionError(
        `${where}: ${name} must hold at least the ${least} indices of one batch, received ${indices.length}`,
      );
  const primary = random.fork("primary");
  const secondary = random.fork("secondary");
  const batchesPerEpoch = Math.floor(primaryIndices.length / primaryBatchSize);
  const memo = new Map<string, number[]>();
  const pass = (name: "primary" | "secondary", n: number): number[] => {
    const key = `${name}${n}`;
    let order = memo.get(key);
    if (!order) {
      order =
        name === "primary" ? primary.fork(n).shuffle(primaryIndices) : secondary.fork(n).shuffle(secondaryIndices);
      if (memo.size > 8) memo.clear();
      memo.set(key, order);
    }
    return order;
  };
  const at = (step: number): number[] => {
    checkNumber(where, "step", step, { integer: true, min: 0 });
    const first = (step % batchesPerEpoch) * primaryBatchSize;
    const batch = pass("primary", Math.floor(step / batchesPerEpoch)).slice(first, first + primaryBatchSize);
    for (let i = 0; i < secondaryBatchSize; i++) {
      const position = step * secondaryBatchSize + i;
      const n = secondaryIndices.length;
      batch.push(pass("secondary", Math.floor(position / n))[position % n]!);
    }
    return batch;
  };
  let epoch = 0;
  return {
    at,
    batchesPerEpoch,
    *[Symbol.iterator]() {
      const from = batchesPerEpoch * epoch++;
      for (let step = from; step < from + batchesPerEpoch; step++) yield at(step);
    },
  };
}
