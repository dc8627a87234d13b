import { clone, type Tensor } from "@tensorflow/tfjs-core";
import { type ApplyOptions, type Layer, moduleOf } from "../module.js";
import { checkRate, type DropoutOptions, dropoutStream, dropped } from "./dropout.js";

/** Drops whole channels of `[N,...S,C]`, per sample (PyTorch's Dropout2d and Dropout3d). The identity outside training. */
export function channelDropout({ rate }: DropoutOptions): Layer {
  checkRate("channelDropout", rate);
  return {
    ...moduleOf({}),
    apply: (x: Tensor, options?: ApplyOptions) => {
      if (!options?.training || rate === 0) return clone(x);
      const shape = x.shape.map((n, i) => (i === 0 || i === x.rank - 1 ? n : 1));
      return dropped(x, shape, rate, dropoutStream("channelDropout", options));
    },
  };
}
