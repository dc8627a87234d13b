import { dispose, type Tensor, type Variable } from "@tensorflow/tfjs-core";
import type { RandomStream } from "./random-stream.js";

/** A function of tensors plus named variables. Nothing is registered globally, nothing is hidden. */
export interface Module {
  /** Every variable by its dotted, PyTorch-style name; running statistics have `trainable === false`. */
  readonly named: ReadonlyMap<string, Variable>;
  /** The same variables as a list, in the order of `named`: what an optimizer takes. */
  readonly variables: readonly Variable[];
  /** Frees the variables. */
  dispose(): void;
}

/** How a module is run. */
export interface ApplyOptions {
  /** Batch statistics, dropout and running-buffer updates on. Default false. */
  readonly training?: boolean;
  /** Source of dropout masks; needed only while training with dropout. */
  readonly random?: RandomStream;
  /** Whether a training pass updates running statistics. Default true; without `training` they never change. */
  readonly updateBuffers?: boolean;
}

/** A module of one tensor in, one tensor out. */
export interface Layer extends Module {
  apply(x: Tensor, options?: ApplyOptions): Tensor;
}

/**
 * The `Module` part of a composite: names are joined with dots, an empty key adds no prefix.
 *
 * @param children - variables or modules by name; `undefined` entries are skipped.
 */
export function moduleOf(children: Readonly<Record<string, Module | Variable | undefined>>): Module {
  const named = new Map<string, Variable>();
  for (const [key, child] of Object.entries(children)) {
    if (child === undefined) continue;
    if ("named" in child) {
      for (const [name, variable] of child.named) named.set(key === "" ? name : `${key}.${name}`, variable);
    } else named.set(key, child);
  }
  const variables = [...named.values()];
  return { named, variables, dispose: () => dispose(variables) };
}
