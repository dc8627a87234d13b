import { CompatibilityError, checkNumber, OptionError } from "@semiseg/errors";
import type { Network } from "@semiseg/nn";
import { add, div, softmax, type Tensor, tidy } from "@tensorflow/tfjs-core";
import type { HostArray } from "./host-array.js";
import { type Predictor, type SlidingWindowOptions, slidingWindowInference } from "./sliding-window-inference.js";

/** How volumes are predicted: everything of {@link SlidingWindowOptions} but the network. */
export type InferenceOptions = Partial<Omit<SlidingWindowOptions, "predictor">>;

/**
 * Softmax of one network, or the mean softmax of several, without dropout and with running statistics.
 *
 * @param networks - all with the same number of classes.
 */
export function softmaxPredictor(networks: readonly Network[]): Predictor {
  if (networks.length === 0) throw new OptionError("softmaxPredictor: networks must not be empty");
  const counts = [...new Set(networks.map((network) => network.provides.classes))];
  if (counts.length > 1)
    throw new CompatibilityError(
      `softmaxPredictor: networks must have the same classes, received ${counts.join(", ")}`,
    );
  return (patch) =>
    tidy(() => {
      const sum = networks
        .map((network): Tensor => softmax(network.apply(patch, { training: false }).logits))
        .reduce((total, next) => add(total, next));
      return networks.length === 1 ? sum : div(sum, networks.length);
    });
}

/** The smallest window that holds the whole volume and that every network can take. */
export function wholeVolumeWindow(space: readonly number[], networks: readonly Network[]): number[] {
  const divisor = Math.max(...networks.map((network) => network.provides.divisor));
  checkNumber("wholeVolumeWindow", "divisor", divisor, { integer: true, min: 1 });
  return space.map((side) => Math.ceil(side / divisor) * divisor);
}

/**
 * Class probabilities of a prepared image: the whole volume at once, or in windows of `roiSize`.
 *
 * @param image - values of `[...S, channels]`.
 * @returns values of `[...S, C]`.
 */
export async function predictProbabilities(
  networks: readonly Network[],
  image: HostArray,
  options: InferenceOptions = {},
): Promise<HostArray> {
  const result = await slidingWindowInference(
    { data: image.data, shape: [1, ...image.shape] },
    {
      ...options,
      roiSize: options.roiSize ?? wholeVolumeWindow(image.shape.slice(0, -1), networks),
      predictor: softmaxPredictor(networks),
    },
  );
  return { data: result.data, shape: result.shape.slice(1) };
}
