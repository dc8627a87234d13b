import { checkChoice, checkRank, OptionError } from "@semiseg/errors";
import type { Tensor } from "@tensorflow/tfjs-core";
import { type Layer, moduleOf } from "../module.js";
import { resizeLinear } from "../ops/resize-linear.js";
import { resizeNearest } from "../ops/resize-nearest.js";
import type { PerAxis } from "../ops/spatial.js";

/** Options of {@link resize}: one of `scale` and `size`. */
export interface ResizeOptions {
  /** Factor per axis; sizes are rounded down. */
  readonly scale?: number;
  readonly size?: PerAxis;
  /** Default `linear`. */
  readonly mode?: "nearest" | "linear";
  /** For `linear`. Default false. */
  readonly alignCorners?: boolean;
}

/** Resizes the spatial axes of `[N,...S,C]` (rank 4 or 5). */
export function resize({ scale, size, mode = "linear", alignCorners = false }: ResizeOptions): Layer {
  checkChoice("resize", "mode", mode, ["nearest", "linear"]);
  if ((scale === undefined) === (size === undefined)) throw new OptionError("resize: give either scale or size");
  return {
    ...moduleOf({}),
    apply: (x: Tensor) => {
      checkRank("resize", "x", x, [4, 5]);
      const target = size ?? x.shape.slice(1, -1).map((n) => Math.floor(n * scale!));
      return mode === "linear" ? resizeLinear(x, target, { alignCorners }) : resizeNearest(x, target);
    },
  };
}
