import type { Network } from "@semiseg/nn";
import type { PostprocessOptions } from "../inference/postprocess-labels.js";
import type { InferenceOptions } from "../inference/predict-volume.js";
import type { ReportSlice } from "../report/report-html.js";
import { slicePicture } from "../report/slice-picture.js";
import { encodeJson } from "../run/json-lines.js";
import { runPaths } from "../run/run-folder.js";
import { writeAtomically } from "../run/write-atomically.js";
import { type EvaluateOptions, evaluate } from "./evaluate.js";
import { type Evaluation, modelName } from "./evaluation.js";
import type { EvaluationCases } from "./evaluation-cases.js";
import { evaluationCsv } from "./evaluation-csv.js";
import { loadWeights, runModels } from "./load-weights.js";
import { writeReport } from "./write-report.js";

/** Options of {@link evaluateRun}. */
export interface EvaluateRunOptions {
  readonly run: string;
  /** A network of the run's architecture; its weights are overwritten with each evaluated model's. */
  readonly network: Network;
  readonly cases: EvaluationCases;
  readonly inference?: InferenceOptions;
  readonly postprocess?: PostprocessOptions;
  readonly dialect?: EvaluateOptions["dialect"];
  readonly empty?: EvaluateOptions["empty"];
  /** Default: every model there is. */
  readonly selected?: "last" | "best";
  /** Cases pictured in the report, worst to best. Default 4. */
  readonly pictures?: number;
  /** Facts for the report's head. */
  readonly facts?: Readonly<Record<string, string | number>>;
  readonly onCase?: (model: string, done: number, total: number) => void;
}

const foregroundDice = (item: Evaluation["cases"][number]): number => {
  const values = item.rows.filter((r) => r.class > 0 && r.metric === "dice" && !Number.isNaN(r.value));
  return values.reduce((sum, r) => sum + r.value, 0) / Math.max(1, values.length);
};

/** Evenly spread over the ranking, worst and best included. */
function spread<T>(items: readonly T[], count: number): T[] {
  if (items.length <= count) return [...items];
  if (count === 1) return [items[Math.floor(items.length / 2)]!];
  return Array.from({ length: count }, (_, i) => items[Math.round((i * (items.length - 1)) / (count - 1))]!);
}

/**
 * Evaluates every model of a run (student and teacher; last step and best on validation) on the given cases, and writes
 * `evaluation.json`, `evaluation.csv` and `report.html` into the run's folder.
 */
export async function evaluateRun(options: EvaluateRunOptions): Promise<readonly Evaluation[]> {
  const { run, network, cases, inference = {}, pictures = 4 } = options;
  const models = (await runModels(run)).filter((model) => (options.selected ?? model.selected) === model.selected);
  const evaluations: Evaluation[] = [];
  let predictions = new Map<string, Uint8Array>();
  for (const model of models) {
    await loadWeights(network, run, model);
    predictions = new Map();
    evaluations.push(
      await evaluate({
        networks: [network],
        model,
        cases,
        inference,
        ...(options.postprocess ? { postprocess: options.postprocess } : {}),
        ...(options.dialect ? { dialect: options.dialect } : {}),
        ...(options.empty ? { empty: options.empty } : {}),
        onCase: (_, done, total) => options.onCase?.(modelName(model), done, total),
        onPrediction: (id, labels) => {
          predictions.set(id, labels);
        },
      }),
    );
  }
  const shown = evaluations.at(-1);
  const slices: ReportSlice[] = [];
  if (shown) {
    const ranked = [...shown.cases].sort((a, b) => foregroundDice(a) - foregroundDice(b));
    for (const item of spread(ranked, pictures)) {
      const { raw } = await cases.read(item.id);
      const channels = raw.image.shape.at(-1)!;
      const { data, shape } = raw.image;
      const image = channels === 1 ? data : data.filter((_, i) => i % channels === 0);
      const truth = raw.label ? (raw.label.data as Uint8Array) : null;
      const picture = slicePicture({ image, truth, prediction: predictions.get(item.id)!, shape: shape.slice(0, -1) });
      const dice = foregroundDice(item).toFixed(3);
      slices.push({
        ...picture,
        caption: `${item.id}, slice ${picture.plane}: Dice ${dice} (${modelName(shown.model)})`,
      });
    }
  }
  const paths = runPaths(run);
  writeAtomically(paths.evaluationJson, `${encodeJson(evaluations, 1)}\n`);
  writeAtomically(paths.evaluationCsv, evaluationCsv(evaluations));
  writeReport({ run, evaluations, slices, ...(options.facts ? { facts: options.facts } : {}) });
  return evaluations;
}
