/** Resumable training, sliding-window inference, evaluation and reports. @packageDocumentation */
export type { HostArray } from "./inference/host-array.js";
export { importanceMap } from "./inference/importance-map.js";
export { labelsFromProbabilities } from "./inference/labels-from-probabilities.js";
export {
  type Predictor,
  type SlidingWindowOptions,
  slidingWindowInference,
} from "./inference/sliding-window-inference.js";
export { windowStarts } from "./inference/window-starts.js";
export { decodeJson, encodeJson, filterJsonLines, JsonLinesLog, readJsonLines } from "./run/json-lines.js";
export { TensorboardWriter } from "./run/tensorboard-writer.js";
export { DiskFullError, DivergenceError } from "./run/training-error.js";
export { writeAtomically } from "./run/write-atomically.js";
