import { CompatibilityError, ShapeError } from "@semiseg/errors";
import { type Layer, loadPyTorchStateDict, loadStateDict, type Module, type Network } from "@semiseg/nn";
import type { Tensor } from "@tensorflow/tfjs-core";

/** A layer put into a network at a named stage. A network with hooks can be cloned only if they can. */
export interface Hook extends Layer {
  clone?(): Hook;
}

/** A network of this package. */
export interface Backbone extends Network {
  /**
   * Loads a PyTorch state dict of the plain network (kernels are transposed, a leading `module.` is ignored). What the
   * plain network lacks (heads, gates, hooks, further decoders) is loaded if present and kept otherwise.
   *
   * @throws CheckpointError listing names and shapes that do not fit.
   */
  fromPyTorch(dict: ReadonlyMap<string, Tensor>): void;
  clone(): Backbone;
}

/** Throws ShapeError unless `x` is `[N,...S,channels]` with sizes that are multiples of `divisor`. */
export function checkInput(where: string, x: Tensor, dims: number, channels: number, divisor: number): void {
  const axes = ["D", "H", "W"].slice(-dims).join(", ");
  if (x.rank !== dims + 2 || x.shape[x.rank - 1] !== channels)
    throw new ShapeError(
      `${where}: x must have shape [N, ${axes}, ${channels}] (channels last), received [${x.shape.join(", ")}]`,
    );
  const sizes = x.shape.slice(1, -1);
  if (sizes.every((n) => n > 0 && n % divisor === 0)) return;
  const fit = sizes.map((n) => Math.max(1, Math.ceil(n / divisor)) * divisor);
  throw new ShapeError(
    `${where}: spatial sizes must be multiples of ${divisor}, received [${sizes.join(", ")}]; pad to [${fit.join(", ")}] or choose such a patch size`,
  );
}

/** Copies of hooks for a network's clone. */
export function cloneHooks(where: string, hooks: Readonly<Record<string, Hook>>): Record<string, Hook> {
  return Object.fromEntries(
    Object.entries(hooks).map(([stage, hook]) => {
      if (!hook.clone)
        throw new CompatibilityError(
          `${where}: the network cannot be cloned because its hook at ${stage} has no clone() method; give it one, or build the second network by hand`,
        );
      return [stage, hook.clone()];
    }),
  );
}

/** Puts the weights of `source` into `target`, a network of the same architecture. */
export function withWeightsOf<T extends Module>(target: T, source: Module): T {
  loadStateDict(target, source.named);
  return target;
}

/** The `fromPyTorch` of a network whose names beyond the plain network start with one of `extras`. */
export function pyTorchLoader(module: Module, extras: readonly string[]): (dict: ReadonlyMap<string, Tensor>) => void {
  const isExtra = (name: string): boolean => extras.some((prefix) => name.startsWith(prefix));
  return (dict) => {
    const wanted = [...module.named].filter(([name]) => !isExtra(name) || dict.has(name) || dict.has(`module.${name}`));
    const named = new Map(wanted);
    loadPyTorchStateDict({ named, variables: [...named.values()], dispose: () => {} }, dict, {
      rename: (name) => name.replace(/^module\./, ""),
    });
  };
}
