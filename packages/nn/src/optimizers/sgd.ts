import { checkNumber } from "@semiseg/errors";
import { FUSED_SGD, hasKernel } from "@semiseg/kernels";
import {
  add,
  engine,
  mul,
  type NamedAttrMap,
  type NamedTensorMap,
  sub,
  type Tensor,
  tidy,
} from "@tensorflow/tfjs-core";
import { withoutGradient } from "../without-gradient.js";
import { type LearningRate, type Optimizer, rateAt, Slots, type Update, updatesOf } from "./optimizer.js";

/** Options of {@link sgd}. */
export interface SgdOptions {
  readonly learningRate: LearningRate;
  /** Default 0.9. */
  readonly momentum?: number;
  /** L2 term added to the gradient (coupled, as in PyTorch's SGD), for every variable. Default 1e-4. */
  readonly weightDecay?: number;
  /** Default false. */
  readonly nesterov?: boolean;
}

/**
 * Stochastic gradient descent with momentum m: g += decay * w; v = m v + g; w -= rate * v (Nesterov: rate * (g + m v)).
 * Same updates as `torch.optim.SGD` without dampening.
 */
export function sgd(options: SgdOptions): Optimizer {
  const { learningRate, momentum = 0.9, weightDecay = 1e-4, nesterov = false } = options;
  checkNumber("sgd", "momentum", momentum, { min: 0, below: 1 });
  checkNumber("sgd", "weightDecay", weightDecay, { min: 0 });
  if (typeof learningRate === "number") checkNumber("sgd", "learningRate", learningRate, { min: 0 });
  const slots = new Slots("sgd");

  const fused = (updates: readonly Update[], rate: number): void => {
    const inputs: NamedTensorMap = {};
    for (const [i, update] of updates.entries()) {
      inputs[`variable${i}`] = update.variable;
      inputs[`gradient${i}`] = update.gradient;
      inputs[`velocity${i}`] = slots.at("velocity", update);
    }
    const attrs = { count: updates.length, learningRate: rate, momentum, weightDecay, nesterov };
    const out = engine().runKernel(FUSED_SGD, inputs, attrs as unknown as NamedAttrMap) as unknown as Tensor[];
    for (const [i, { variable, name }] of updates.entries()) {
      variable.assign(out[i]!);
      slots.set("velocity", name, out[updates.length + i]!);
    }
  };

  const composed = (update: Update, rate: number): void => {
    const { variable, gradient, name } = update;
    const g: Tensor = weightDecay > 0 ? add(gradient, mul(variable, weightDecay)) : gradient;
    let direction = g;
    if (momentum > 0) {
      const velocity = add(mul(slots.at("velocity", update), momentum), g);
      slots.set("velocity", name, velocity);
      direction = nesterov ? add(g, mul(velocity, momentum)) : velocity;
    }
    variable.assign(sub(variable, mul(direction, rate)));
  };

  return {
    apply: (gradients, named, step) => {
      const updates = updatesOf("sgd", gradients, named);
      const rate = rateAt("sgd", learningRate, step);
      if (updates.length === 0) return;
      withoutGradient(() =>
        tidy(() => {
          if (hasKernel(FUSED_SGD)) fused(updates, rate);
          else for (const update of updates) tidy(() => composed(update, rate));
        }),
      );
    },
    rate: (step) => rateAt("sgd", learningRate, step),
    saveState: () => slots.save(),
    loadState: (state) => void slots.load(state),
    dispose: () => slots.dispose(),
  };
}
