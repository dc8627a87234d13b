import { type Tensor, tensor, tidy, type Variable, variable } from "@tensorflow/tfjs-core";
import { product } from "../ops/spatial.js";
import type { RandomStream } from "../random-stream.js";

/** `pytorch`: U(-1/sqrt(fanIn), 1/sqrt(fanIn)); `kaimingNormal`: N(0, 2/fanIn) (biases stay uniform). */
export type Initialization = "pytorch" | "kaimingNormal";

/** A variable made of a tensor that is freed. */
export function ownVariable(make: () => Tensor, trainable = true): Variable {
  return tidy(() => variable(make(), trainable));
}

/** A variable of uniform numbers in (-bound, bound). */
export function uniformVariable(shape: readonly number[], bound: number, random: RandomStream): Variable {
  const values = random.uniform(product(shape));
  for (let i = 0; i < values.length; i++) values[i] = (2 * values[i]! - 1) * bound;
  return ownVariable(() => tensor(values, [...shape]));
}

/** A kernel by the named rule. */
export function kernelVariable(
  shape: readonly number[],
  fanIn: number,
  random: RandomStream,
  initialization: Initialization = "pytorch",
): Variable {
  if (initialization === "pytorch") return uniformVariable(shape, 1 / Math.sqrt(fanIn), random);
  return ownVariable(() => tensor(random.normals(product(shape), Math.sqrt(2 / fanIn)), [...shape]));
}
