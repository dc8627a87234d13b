import { OptionError } from "@semiseg/errors";
import { evaluateCase } from "@semiseg/metrics";
import type { Network } from "@semiseg/nn";
import type { PostprocessOptions } from "../inference/postprocess-labels.js";
import type { InferenceOptions } from "../inference/predict-volume.js";
import type { CaseEvaluation, EvaluatedModel, Evaluation } from "./evaluation.js";
import type { EvaluationCases } from "./evaluation-cases.js";
import { predictCase } from "./predict-case.js";
import { summarize } from "./summarize.js";

/** Options of {@link evaluate}. */
export interface EvaluateOptions {
  /** One network, or several whose probabilities are averaged. */
  readonly networks: readonly Network[];
  /** Which weights these are; goes into every table. */
  readonly model: EvaluatedModel;
  readonly cases: EvaluationCases;
  readonly inference?: InferenceOptions;
  /** Done to each prediction before it is measured. Default nothing. */
  readonly postprocess?: PostprocessOptions;
  /** Whose rules distances follow. Default `medpy`. */
  readonly dialect?: "medpy" | "monai" | "deepmind";
  /** What a distance is when a mask is empty. Default `nan`; missed cases are counted either way. */
  readonly empty?: "nan" | "worst" | "best";
  readonly onCase?: (result: CaseEvaluation, done: number, total: number) => void;
  /** Called with each prediction on the grid of its file: for pictures and files. */
  readonly onPrediction?: (id: string, labels: Uint8Array) => void | Promise<void>;
}

/**
 * Predicts cases and measures them on the grid and in the millimetres of their files.
 *
 * @throws OptionError for a case without label.
 */
export async function evaluate(options: EvaluateOptions): Promise<Evaluation> {
  const { networks, model, cases, inference = {}, dialect = "medpy", empty = "nan" } = options;
  const results: CaseEvaluation[] = [];
  for (const id of cases.ids) {
    const { raw, prepared } = await cases.read(id);
    if (!raw.label) throw new OptionError(`evaluate: case ${id} has no label to compare with`);
    const { labels, seconds } = await predictCase(networks, prepared, inference, options.postprocess);
    await options.onPrediction?.(id, labels);
    const rows = evaluateCase({
      yTrue: raw.label.data as Uint8Array,
      yPred: labels,
      shape: raw.label.shape,
      spacing: raw.label.spacing,
      numClasses: cases.classNames.length,
      dialect,
      empty,
    });
    const result: CaseEvaluation = { id, rows, seconds };
    results.push(result);
    options.onCase?.(result, results.length, cases.ids.length);
  }
  return {
    model,
    part: cases.part,
    classNames: cases.classNames,
    dialect,
    empty,
    cases: results,
    summary: summarize(results),
  };
}
