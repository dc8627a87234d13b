import { customGrad, type GradSaveFunc, type Tensor } from "@tensorflow/tfjs-core";

/** A result and how its gradient reaches the inputs, one tensor per input. */
export interface Differentiable {
  readonly value: Tensor;
  gradFunc(dy: Tensor, saved: Tensor[]): Tensor[];
}

/** tfjs's `customGrad` with types that hold: `f` gets the inputs and a function that saves tensors for `gradFunc`. */
export function withGradient(
  inputs: readonly Tensor[],
  f: (inputs: readonly Tensor[], save: GradSaveFunc) => Differentiable,
): Tensor {
  const op = customGrad((...args: (Tensor | GradSaveFunc)[]) =>
    f(args.slice(0, -1) as Tensor[], args.at(-1) as GradSaveFunc),
  );
  return op(...inputs);
}
