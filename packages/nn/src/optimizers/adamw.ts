import { CheckpointError, checkNumber } from "@semiseg/errors";
import { FUSED_ADAMW, hasKernel } from "@semiseg/kernels";
import {
  add,
  div,
  engine,
  mul,
  type NamedAttrMap,
  type NamedTensorMap,
  sqrt,
  square,
  sub,
  type Tensor,
  tidy,
} from "@tensorflow/tfjs-core";
import { withoutGradient } from "../without-gradient.js";
import { type LearningRate, type Optimizer, rateAt, Slots, type Update, updatesOf } from "./optimizer.js";

/** Options of {@link adamW}. */
export interface AdamWOptions {
  readonly learningRate: LearningRate;
  /** Default 0.9. */
  readonly beta1?: number;
  /** Default 0.999. */
  readonly beta2?: number;
  /** Default 1e-8. */
  readonly epsilon?: number;
  /** Decoupled decay: w -= rate * decay * w before the step. Default 0.01. */
  readonly weightDecay?: number;
}

/** AdamW (Loshchilov and Hutter, ICLR 2019), the updates of `torch.optim.AdamW`. */
export function adamW(options: AdamWOptions): Optimizer {
  const { learningRate, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0.01 } = options;
  checkNumber("adamW", "beta1", beta1, { min: 0, below: 1 });
  checkNumber("adamW", "beta2", beta2, { min: 0, below: 1 });
  checkNumber("adamW", "epsilon", epsilon, { above: 0 });
  checkNumber("adamW", "weightDecay", weightDecay, { min: 0 });
  if (typeof learningRate === "number") checkNumber("adamW", "learningRate", learningRate, { min: 0 });
  const slots = new Slots("adamw");
  let updatesDone = 0;

  const fused = (updates: readonly Update[], rate: number): void => {
    const inputs: NamedTensorMap = {};
    for (const [i, update] of updates.entries()) {
      inputs[`variable${i}`] = update.variable;
      inputs[`gradient${i}`] = update.gradient;
      inputs[`first${i}`] = slots.at("first", update);
      inputs[`second${i}`] = slots.at("second", update);
    }
    const attrs = { count: updates.length, learningRate: rate, beta1, beta2, epsilon, weightDecay, step: updatesDone };
    const out = engine().runKernel(FUSED_ADAMW, inputs, attrs as unknown as NamedAttrMap) as unknown as Tensor[];
    for (const [i, { variable, name }] of updates.entries()) {
      variable.assign(out[i]!);
      slots.set("first", name, out[updates.length + i]!);
      slots.set("second", name, out[2 * updates.length + i]!);
    }
  };

  const composed = (update: Update, rate: number): void => {
    const { variable, gradient, name } = update;
    const first = add(mul(slots.at("first", update), beta1), mul(gradient, 1 - beta1));
    const second = add(mul(slots.at("second", update), beta2), mul(square(gradient), 1 - beta2));
    slots.set("first", name, first);
    slots.set("second", name, second);
    const denominator = add(sqrt(mul(second, 1 / (1 - beta2 ** updatesDone))), epsilon);
    const moved = mul(div(first, denominator), rate / (1 - beta1 ** updatesDone));
    variable.assign(sub(mul(variable, 1 - rate * weightDecay), moved));
  };

  return {
    apply: (gradients, named, step) => {
      const updates = updatesOf("adamW", gradients, named);
      const rate = rateAt("adamW", learningRate, step);
      if (updates.length === 0) return;
      updatesDone++;
      withoutGradient(() =>
        tidy(() => {
          if (hasKernel(FUSED_ADAMW)) fused(updates, rate);
          else for (const update of updates) tidy(() => composed(update, rate));
        }),
      );
    },
    rate: (step) => rateAt("adamW", learningRate, step),
    saveState: () => slots.save({ updatesDone }),
    loadState: (state) => {
      const saved = slots.load(state)["updatesDone"];
      if (!Number.isInteger(saved)) throw new CheckpointError("adamw: the saved state has no count of updates");
      updatesDone = saved as number;
    },
    dispose: () => slots.dispose(),
  };
}
