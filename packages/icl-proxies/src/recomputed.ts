import {
  customGrad,
  engine,
  type GradSaveFunc,
  type Tensor,
  tidy,
  type Variable,
  zerosLike,
} from "@tensorflow/tfjs-core";

/** Bytes from which a tensor is rather computed again than kept: below, the memory is worth less than the time. */
export const RECOMPUTE_ABOVE = 8e6;

/**
 * `f(inputs)` whose intermediate tensors are not kept for the backward pass: it is run again there (gradient
 * checkpointing). For parts whose memory is worth more than their time.
 *
 * @param variables - the trainable variables that `f` reads; others get no gradient.
 * @param constants - what else `f` needs; kept alive, no gradient.
 * @param f - gets inputs, then constants; must give the same values each time; `again` tells the second run, which must leave no traces.
 */
export function recomputed(
  {
    inputs,
    variables = [],
    constants = [],
  }: { inputs: readonly Tensor[]; variables?: readonly Variable[]; constants?: readonly Tensor[] },
  f: (tensors: readonly Tensor[], again: boolean) => Tensor,
): Tensor {
  const { state } = engine();
  if (state.gradientDepth === 0 || state.kernelDepth > 0) return f([...inputs, ...constants], false);
  const op = customGrad((...args: (Tensor | GradSaveFunc)[]) => {
    const save = args.at(-1) as GradSaveFunc;
    const value = tidy(() => f([...inputs, ...constants], false));
    save([...inputs, ...constants]);
    return { value, gradFunc: (dy: Tensor, saved: Tensor[]) => gradients(saved, dy) };
  });
  const gradients = (saved: readonly Tensor[], dy: Tensor): Tensor[] => {
    const all = [...saved.slice(0, inputs.length), ...variables];
    // tfjs forgets the tape of the pass around this one when a gradient is taken inside its backward pass.
    const { activeTape } = state;
    try {
      const { value, grads } = engine().gradients(() => f(saved, true), all, dy, true);
      value.dispose();
      return all.map((x, i) => grads[i] ?? zerosLike(x));
    } finally {
      state.activeTape = activeTape;
    }
  };
  return op(...inputs, ...variables);
}
