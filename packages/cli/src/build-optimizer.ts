import { OptionError } from "@semiseg/errors";
import { polynomialDecay } from "@semiseg/method";
import { adamW, clipByGlobalNorm, type LearningRate, type Optimizer, sgd } from "@semiseg/nn";
import { dispose } from "@tensorflow/tfjs-core";
import type { RunConfig } from "./config/schema.js";

/** The learning rate of each step (counted from 0) that a configuration asks for. */
export function learningRateOf(config: RunConfig): (step: number) => number {
  const { learningRate, schedule = { name: "constant" } } = config.optimizer;
  const { maxSteps } = config;
  const shape: Record<typeof schedule.name, (step: number) => number> = {
    constant: () => 1,
    poly: (step) => {
      // In whole periods of `every` steps, the last one begun counted in.
      const { every = 1, power = 0.9 } = schedule;
      const periods = every === 1 ? maxSteps : Math.floor(maxSteps / every) + 1;
      return polynomialDecay(Math.floor(step / every), periods, power);
    },
    cosine: (step) => 0.5 * (1 + Math.cos((Math.PI * step) / maxSteps)),
    step: (step) => (schedule.factor ?? 0.1) ** Math.floor(step / (schedule.every ?? Math.ceil(maxSteps / 3))),
  };
  const warmup = schedule.warmupSteps ?? 0;
  return (step) => learningRate * shape[schedule.name](step) * (step < warmup ? (step + 1) / warmup : 1);
}

/** The optimizer of a configuration. */
export function buildOptimizer(config: RunConfig): Optimizer {
  const { name, momentum, nesterov, weightDecay, clipNorm } = config.optimizer;
  const learningRate: LearningRate = learningRateOf(config);
  const decay = weightDecay === undefined ? {} : { weightDecay };
  if (name === "adamw" && (momentum !== undefined || nesterov !== undefined))
    throw new OptionError("optimizer: momentum and nesterov are settings of sgd, not of adamw");
  const inner =
    name === "adamw"
      ? adamW({ learningRate, ...decay })
      : sgd({
          learningRate,
          ...decay,
          ...(momentum === undefined ? {} : { momentum }),
          ...(nesterov === undefined ? {} : { nesterov }),
        });
  if (clipNorm === undefined) return inner;
  return {
    ...inner,
    apply(gradients, named, step) {
      const clipped = clipByGlobalNorm(gradients, clipNorm);
      inner.apply(clipped.gradients, named, step);
      dispose([clipped.norm, ...clipped.gradients.values()]);
    },
  };
}
