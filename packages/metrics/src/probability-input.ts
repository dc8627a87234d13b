import { DataError, ShapeError } from "@semiseg/errors";
import { checkGrid, checkMask, type Mask } from "./metric-input.js";

/** Truth of one class and its predicted probability. */
export interface ProbabilityPair {
  /** 0 and 1. */
  readonly yTrue: Mask;
  /** Probability of the class, in [0, 1]. */
  readonly yPred: Mask;
  /** Two or three sizes. */
  readonly shape: readonly number[];
}

/** Throws unless truth and probabilities fit. */
export function checkProbabilities(where: string, { yTrue, yPred, shape }: ProbabilityPair): void {
  checkGrid(where, shape);
  checkMask(where, "yTrue", yTrue, shape);
  if (yPred?.length !== yTrue.length)
    throw new ShapeError(`${where}: yPred must have ${yTrue.length} values, received ${yPred?.length}`);
  for (let i = 0; i < yPred.length; i++)
    if (!(yPred[i]! >= 0 && yPred[i]! <= 1))
      throw new DataError(
        `${where}: yPred must hold probabilities in [0, 1], received ${String(yPred[i])} at index ${i}`,
      );
}

/** Labels, predicted labels and how unsure the prediction is. */
export interface UncertaintyArguments {
  /** Integers from 0. */
  readonly yTrue: Mask;
  readonly yPred: Mask;
  /** Larger is less sure; any unit (entropy, variance, one minus confidence). */
  readonly uncertainty: Mask;
  /** Two or three sizes. */
  readonly shape: readonly number[];
}

/** Throws unless labels and uncertainties fit. */
export function checkUncertainty(where: string, args: UncertaintyArguments): void {
  const { shape } = args;
  checkGrid(where, shape);
  const size = shape.reduce((a, b) => a * b, 1);
  for (const name of ["yTrue", "yPred", "uncertainty"] as const) {
    const values = args[name];
    if (values === null || typeof values !== "object" || values.length !== size)
      throw new ShapeError(
        `${where}: ${name} must have ${size} values for shape [${shape.join(", ")}], received ${values?.length ?? String(values)}`,
      );
    for (let i = 0; i < size; i++)
      if (name === "uncertainty" ? !Number.isFinite(values[i]) : !(Number.isInteger(values[i]) && values[i]! >= 0))
        throw new DataError(
          `${where}: ${name} must hold ${name === "uncertainty" ? "finite numbers" : "labels, integers from 0"}, received ${String(values[i])} at index ${i}`,
        );
  }
}
