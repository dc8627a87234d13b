import { checkChoice, checkNumber } from "@semiseg/errors";
import { RandomSource } from "@semiseg/random";

/** Options of {@link labeledSubset}. */
export interface LabeledSubsetOptions {
  /** The training cases. */
  readonly ids: readonly string[];
  /** How many get to keep their labels. */
  readonly count: number;
  readonly seed: number;
  /**
   * 'random' (default): the first `count` of a seeded permutation, so that smaller subsets of one seed lie inside larger
   * ones. 'listed': the first `count` of `ids` as they are listed, as the published tables for LA and Pancreas have it.
   */
  readonly order?: "random" | "listed";
}

/** The labelled cases of a semi-supervised run. With 'random', the order of `ids` does not matter. */
export function labeledSubset(options: LabeledSubsetOptions): string[] {
  const { ids, count, seed, order = "random" } = options;
  checkNumber("labeledSubset", "count", count, { integer: true, min: 1, max: ids.length });
  checkChoice("labeledSubset", "order", order, ["random", "listed"]);
  if (order === "listed") return ids.slice(0, count);
  return new RandomSource(seed)
    .fork("labeled subset")
    .shuffle([...ids].sort())
    .slice(0, count);
}
