import type { InferenceOptions } from "@semiseg/training";
import type { RunConfig } from "./config/schema.js";

/** How a run's volumes are predicted: windows of the patch size unless the configuration says otherwise. */
export function inferenceOf(config: RunConfig): InferenceOptions {
  const given = Object.fromEntries(Object.entries(config.inference).filter(([, value]) => value !== undefined));
  return { roiSize: config.data.patchSize, ...given };
}
