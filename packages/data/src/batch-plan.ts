import { checkNumber, OptionError } from "@semiseg/errors";
import { RandomSource } from "@semiseg/random";
import { twoStreamSampler } from "./two-stream-sampler.js";
import type { BatchIds } from "./types.js";

/** Options of {@link batchPlan}. */
export interface BatchPlanOptions {
  readonly labeled: readonly string[];
  readonly unlabeled: readonly string[];
  readonly labeledBatchSize: number;
  /** 0: no unlabelled items. */
  readonly unlabeledBatchSize: number;
  readonly seed: number;
}

/**
 * Which cases each step uses, as a pure function of the step: `twoStreamSampler` over case ids. Fewer cases than a batch
 * needs are used several times in it.
 */
export function batchPlan(options: BatchPlanOptions): (step: number) => BatchIds {
  const where = "batchPlan";
  const { labeled, unlabeled, labeledBatchSize, unlabeledBatchSize, seed } = options;
  checkNumber(where, "labeledBatchSize", labeledBatchSize, { integer: true, min: 1 });
  checkNumber(where, "unlabeledBatchSize", unlabeledBatchSize, { integer: true, min: 0 });
  if (labeled.length === 0) throw new OptionError(`${where}: labeled is empty`);
  if (unlabeledBatchSize > 0 && unlabeled.length === 0)
    throw new OptionError(`${where}: unlabeled is empty while unlabeledBatchSize is ${unlabeledBatchSize}`);
  const repeated = (ids: readonly string[], least: number): string[] =>
    Array.from({ length: Math.max(1, Math.ceil(least / ids.length)) }, () => ids).flat();
  const pool = [
    ...repeated(labeled, labeledBatchSize),
    ...(unlabeledBatchSize ? repeated(unlabeled, unlabeledBatchSize) : []),
  ];
  const split = repeated(labeled, labeledBatchSize).length;
  const sampler = twoStreamSampler({
    primaryIndices: pool.slice(0, split).map((_, i) => i),
    secondaryIndices: pool.slice(split).map((_, i) => split + i),
    batchSize: labeledBatchSize + unlabeledBatchSize,
    secondaryBatchSize: unlabeledBatchSize,
    random: new RandomSource(seed).fork("sampler"),
  });
  return (step) => {
    const ids = sampler.at(step).map((i) => pool[i]!);
    return { labeled: ids.slice(0, labeledBatchSize), unlabeled: ids.slice(labeledBatchSize) };
  };
}
