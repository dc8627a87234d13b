import { checkRank } from "@semiseg/errors";
import {
  avgPool as avgPool2d,
  avgPool3d,
  maxPool as maxPool2d,
  maxPool3d,
  type Tensor,
  type Tensor4D,
  type Tensor5D,
} from "@tensorflow/tfjs-core";
import { type Layer, moduleOf } from "../module.js";
import { type PerAxis, perAxis } from "../ops/spatial.js";

/** Options of `maxPool` and `avgPool`. */
export interface PoolOptions {
  /** Default 2. */
  readonly size?: PerAxis;
  /** Default `size`. */
  readonly strides?: PerAxis;
}

type Pair = [number, number];
type Triple = [number, number, number];

function pool(
  where: string,
  { size = 2, strides = size }: PoolOptions,
  flat: typeof maxPool2d,
  deep: typeof maxPool3d,
): Layer {
  return {
    ...moduleOf({}),
    apply: (x: Tensor) => {
      checkRank(where, "x", x, [4, 5]);
      const dims = x.rank - 2;
      const k = perAxis(where, "size", size, dims);
      const s = perAxis(where, "strides", strides, dims);
      return dims === 2
        ? flat(x as Tensor4D, k as Pair, s as Pair, "valid")
        : deep(x as Tensor5D, k as Triple, s as Triple, "valid");
    },
  };
}

/** Maximum over windows of `[N,...S,C]` (rank 4 or 5), without padding. */
export function maxPool(options: PoolOptions = {}): Layer {
  return pool("maxPool", options, maxPool2d, maxPool3d);
}

/** Mean over windows of `[N,...S,C]` (rank 4 or 5), without padding. */
export function avgPool(options: PoolOptions = {}): Layer {
  return pool("avgPool", options, avgPool2d as typeof maxPool2d, avgPool3d as typeof maxPool3d);
}
