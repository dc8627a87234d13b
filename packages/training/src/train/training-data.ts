import type { BatchLoader } from "@semiseg/data";
import type { EvaluationCases } from "../evaluation/evaluation-cases.js";

/**
 * All that a training run sees of the data. There is no place for test cases: their paths never reach the trainer.
 */
export interface TrainingData {
  /** Batches by step: a pure function of the step, so that a resumed run gets the same ones. */
  readonly loader: Pick<BatchLoader, "next">;
  /** Index = class, 0 the background. */
  readonly classNames: readonly string[];
  /** Ids and hashes of the split, written to the run's folder. */
  readonly manifest?: unknown;
  /** Needed by the `validation` option of `train`. */
  readonly validation?: EvaluationCases;
  /** Unlabelled training cases with the labels that the run hides; for the `pseudoLabels` option of `train`. */
  readonly hidden?: EvaluationCases;
}
