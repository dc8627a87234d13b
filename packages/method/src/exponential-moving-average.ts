import { CompatibilityError, checkChoice, checkNumber } from "@semiseg/errors";
import { FUSED_EMA, hasKernel } from "@semiseg/kernels";
import { type Module, withoutGradient } from "@semiseg/nn";
import {
  add,
  engine,
  mul,
  type NamedAttrMap,
  type NamedTensorMap,
  type Tensor,
  tidy,
  type Variable,
} from "@tensorflow/tfjs-core";

/** Options of {@link ExponentialMovingAverage}. */
export interface ExponentialMovingAverageOptions {
  /** Largest decay. Default 0.99. */
  readonly decay?: number;
  /** Running statistics: copied from the source, averaged like weights, or left to the target. Default `copy`. */
  readonly buffers?: "copy" | "ema" | "own";
}

type Pair = readonly [target: Variable, source: Variable];

/** Assigns the sources' values; `target` does not share them afterwards. */
function copyAll(pairs: readonly Pair[]): void {
  // Adding 0 makes a tensor of its own: on some engines a clone shares its memory with the original.
  for (const [target, source] of pairs) target.assign(tidy(() => add(source, 0)));
}

/**
 * A teacher as the running mean of a student (Tarvainen and Valpola, "Mean teachers", NeurIPS 2017, section 3):
 * after step k, `a = min(1 - 1/(k+1), decay)` and `target = a * target + (1-a) * source`. Step 0 copies the source, and
 * for k below `1/(1-decay)` the target is the plain mean of what it has seen.
 */
export class ExponentialMovingAverage {
  readonly decay: number;
  readonly #weights: readonly Pair[];
  readonly #copied: readonly Pair[];

  /** @throws CompatibilityError when the two modules do not have the same variables. */
  constructor(source: Module, target: Module, options: ExponentialMovingAverageOptions = {}) {
    const { decay = 0.99, buffers = "copy" } = options;
    checkNumber("ExponentialMovingAverage", "decay", decay, { min: 0, max: 1 });
    checkChoice("ExponentialMovingAverage", "buffers", buffers, ["copy", "ema", "own"]);
    this.decay = decay;
    const weights: Pair[] = [];
    const copied: Pair[] = [];
    for (const [name, variable] of target.named) {
      const from = source.named.get(name);
      if (!from || from.shape.join() !== variable.shape.join())
        throw new CompatibilityError(
          `ExponentialMovingAverage: source and target must be the same architecture; ${name} ${from ? "differs in shape" : "is missing in the source"}`,
        );
      if (variable.trainable || buffers === "ema") weights.push([variable, from]);
      else if (buffers === "copy") copied.push([variable, from]);
    }
    this.#weights = weights;
    this.#copied = copied;
  }

  /** Call after the optimizer's step; `step` is counted from 0. */
  update(step: number): void {
    checkNumber("ExponentialMovingAverage.update", "step", step, { integer: true, min: 0 });
    const decay = Math.min(1 - 1 / (step + 1), this.decay);
    withoutGradient(() =>
      tidy(() => {
        if (decay === 0) copyAll(this.#weights);
        else if (hasKernel(FUSED_EMA)) this.#fused(decay);
        else
          for (const [target, source] of this.#weights) target.assign(add(mul(target, decay), mul(source, 1 - decay)));
        copyAll(this.#copied);
      }),
    );
  }

  #fused(decay: number): void {
    const count = this.#weights.length;
    if (count === 0) return;
    const inputs: NamedTensorMap = {};
    for (const [i, [target, source]] of this.#weights.entries()) {
      inputs[`target${i}`] = target;
      inputs[`source${i}`] = source;
    }
    const out = engine().runKernel(FUSED_EMA, inputs, {
      count,
      decay,
    } as unknown as NamedAttrMap) as unknown as Tensor[];
    for (const [i, [target]] of this.#weights.entries()) target.assign(out[i]!);
  }
}
