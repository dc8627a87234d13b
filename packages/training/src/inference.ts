/** Sliding-window inference alone, without Node's modules at load time: for browsers. @packageDocumentation */
export {
  type Predictor,
  type SlidingWindowOptions,
  slidingWindowInference,
} from "./inference/sliding-window-inference.js";
