import { type PreprocessOptions, prepareVolume, type RawCase, type Volume, writeVolume } from "@semiseg/data";
import type { Network } from "@semiseg/nn";
import type { PostprocessOptions } from "../inference/postprocess-labels.js";
import type { InferenceOptions } from "../inference/predict-volume.js";
import { predictCase } from "./predict-case.js";

/** Options of {@link predict}. */
export interface PredictOptions {
  /** One network, or an ensemble whose probabilities are averaged. */
  readonly networks: readonly Network[];
  /** `image` of shape `[...S, C]`; a label is not looked at. */
  readonly image: Volume;
  /** The preprocessing that the networks were trained with. */
  readonly preprocess?: PreprocessOptions;
  readonly inference?: InferenceOptions;
  readonly postprocess?: PostprocessOptions;
  /** Also write the result as NIfTI; affine and spacing are the image's, so that it overlays on it in any viewer. */
  readonly output?: string;
}

/** Predicts one image and returns its classes on its own grid (uint8, same shape, spacing and affine). */
export async function predict(options: PredictOptions): Promise<Volume> {
  const { networks, image, preprocess = {}, inference = {}, postprocess, output } = options;
  const raw: RawCase = { id: image.meta.source ?? "image", image, label: null };
  const { labels } = await predictCase(networks, prepareVolume(raw, preprocess), inference, postprocess);
  const result: Volume = {
    data: labels,
    shape: image.shape.slice(0, -1),
    spacing: image.spacing,
    affine: image.affine,
    dtype: "uint8",
    meta: { description: "SemiSeg prediction" },
  };
  if (output !== undefined) await writeVolume(output, result);
  return result;
}
