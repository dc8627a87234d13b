/** Resumable training, sliding-window inference, evaluation and reports. @packageDocumentation */

export { type EvaluateOptions, evaluate } from "./evaluation/evaluate.js";
export { type EvaluateRunOptions, evaluateRun } from "./evaluation/evaluate-run.js";
export * from "./evaluation/evaluation.js";
export { type EvaluationCases, type EvaluationCasesOptions, evaluationCases } from "./evaluation/evaluation-cases.js";
export { evaluationCsv } from "./evaluation/evaluation-csv.js";
export { type LoadMethodOptions, loadMethod } from "./evaluation/load-method.js";
export { loadWeights, runModels } from "./evaluation/load-weights.js";
export { type PredictOptions, predict } from "./evaluation/predict.js";
export { type CasePrediction, predictCase } from "./evaluation/predict-case.js";
export { summarize } from "./evaluation/summarize.js";
export { summaryTable } from "./evaluation/summary-table.js";
export { type WriteReportOptions, writeReport } from "./evaluation/write-report.js";
export type { HostArray } from "./inference/host-array.js";
export { importanceMap } from "./inference/importance-map.js";
export { labelsFromProbabilities } from "./inference/labels-from-probabilities.js";
export { type PostprocessOptions, postprocessLabels } from "./inference/postprocess-labels.js";
export {
  type InferenceOptions,
  predictProbabilities,
  softmaxPredictor,
  wholeVolumeWindow,
} from "./inference/predict-volume.js";
export {
  type Predictor,
  type SlidingWindowOptions,
  slidingWindowInference,
} from "./inference/sliding-window-inference.js";
export { windowStarts } from "./inference/window-starts.js";
export { type LineChartOptions, lineChart, type Series } from "./report/line-chart.js";
export { type ReportContent, type ReportSlice, reportHtml } from "./report/report-html.js";
export { type SlicePicture, type SlicePictureOptions, slicePicture } from "./report/slice-picture.js";
export {
  type Checkpoint,
  checkpointPath,
  checkpointSteps,
  disposeCheckpoint,
  latestCheckpoint,
  loadCheckpoint,
  pruneCheckpoints,
  saveCheckpoint,
} from "./run/checkpoint.js";
export { decodeJson, encodeJson, filterJsonLines, JsonLinesLog, readJsonLines } from "./run/json-lines.js";
export {
  formatDuration,
  type ProgressBar,
  type ProgressBarOptions,
  type ProgressStream,
  progressBar,
} from "./run/progress-bar.js";
export { type OpenRun, type OpenRunOptions, openRun, type RunPaths, readRunJson, runPaths } from "./run/run-folder.js";
export { TensorboardWriter } from "./run/tensorboard-writer.js";
export { DiskFullError, DivergenceError } from "./run/training-error.js";
export { writeAtomically } from "./run/write-atomically.js";
export type { Best } from "./train/run-state.js";
export { evaluatedNetworks, resumeHint, type TrainOptions, type TrainResult, train } from "./train/train.js";
export type { StepResult, TermResult } from "./train/train-step.js";
export type { TrainingData } from "./train/training-data.js";
export { diceByClass } from "./train/validate.js";
