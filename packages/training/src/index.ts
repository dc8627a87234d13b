/** Resumable training, sliding-window inference, evaluation and reports. @packageDocumentation */

export * from "./evaluation/evaluation.js";
export { evaluationCsv } from "./evaluation/evaluation-csv.js";
export { summarize } from "./evaluation/summarize.js";
export { summaryTable } from "./evaluation/summary-table.js";
export type { HostArray } from "./inference/host-array.js";
export { importanceMap } from "./inference/importance-map.js";
export { labelsFromProbabilities } from "./inference/labels-from-probabilities.js";
export {
  type Predictor,
  type SlidingWindowOptions,
  slidingWindowInference,
} from "./inference/sliding-window-inference.js";
export { windowStarts } from "./inference/window-starts.js";
export { type LineChartOptions, lineChart, type Series } from "./report/line-chart.js";
export { type ReportContent, type ReportSlice, reportHtml } from "./report/report-html.js";
export { type SlicePicture, type SlicePictureOptions, slicePicture } from "./report/slice-picture.js";
export { decodeJson, encodeJson, filterJsonLines, JsonLinesLog, readJsonLines } from "./run/json-lines.js";
export {
  formatDuration,
  type ProgressBar,
  type ProgressBarOptions,
  type ProgressStream,
  progressBar,
} from "./run/progress-bar.js";
export { TensorboardWriter } from "./run/tensorboard-writer.js";
export { DiskFullError, DivergenceError } from "./run/training-error.js";
export { writeAtomically } from "./run/write-atomically.js";
