import { checkNumber } from "@semiseg/errors";

/**
 * Sigmoid-shaped ramp from exp(-5) to 1: `exp(-5 (1 - clip(step, 0, length) / length)^2)`, and 1 when `length` is 0
 * (Laine and Aila, "Temporal ensembling", ICLR 2017).
 */
export function sigmoidRampUp(step: number, length: number): number {
  checkNumber("sigmoidRampUp", "step", step);
  checkNumber("sigmoidRampUp", "length", length, { min: 0 });
  if (length === 0) return 1;
  const left = 1 - Math.min(Math.max(step, 0), length) / length;
  return Math.exp(-5 * left * left);
}

/** `(1 - step / maxSteps)^power`, 0 from `maxSteps` on: the factor of a polynomially decaying learning rate. */
export function polynomialDecay(step: number, maxSteps: number, power = 0.9): number {
  checkNumber("polynomialDecay", "step", step, { min: 0 });
  checkNumber("polynomialDecay", "maxSteps", maxSteps, { above: 0 });
  checkNumber("polynomialDecay", "power", power, { min: 0 });
  return Math.max(0, 1 - step / maxSteps) ** power;
}

/** `factor` to the number of whole periods passed: the factor of a learning rate that drops in steps. */
export function stepDecay(step: number, period: number, factor = 0.1): number {
  checkNumber("stepDecay", "step", step, { min: 0 });
  checkNumber("stepDecay", "period", period, { above: 0 });
  checkNumber("stepDecay", "factor", factor, { min: 0 });
  return factor ** Math.floor(step / period);
}
