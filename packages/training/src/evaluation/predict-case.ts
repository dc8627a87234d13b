import { type PreparedCase, restoreClasses } from "@semiseg/data";
import type { Network } from "@semiseg/nn";
import { type PostprocessOptions, postprocessLabels } from "../inference/postprocess-labels.js";
import { type InferenceOptions, predictProbabilities } from "../inference/predict-volume.js";

/** Classes on the grid of the file, and how long the networks took. */
export interface CasePrediction {
  /** C order of `prepared.record.originalShape`. */
  readonly labels: Uint8Array;
  readonly seconds: number;
}

/** Predicts a prepared case, takes the probabilities back to the grid of its file, decides and postprocesses there. */
export async function predictCase(
  networks: readonly Network[],
  prepared: PreparedCase,
  options: InferenceOptions = {},
  postprocess: PostprocessOptions = {},
): Promise<CasePrediction> {
  const start = performance.now();
  const { data, shape } = await predictProbabilities(
    networks,
    { data: prepared.image, shape: prepared.imageShape },
    options,
  );
  const seconds = (performance.now() - start) / 1000;
  const labels = restoreClasses(data, shape.at(-1)!, prepared.record);
  return { labels: postprocessLabels(labels, prepared.record.originalShape, postprocess), seconds };
}
