import { SemisegError } from "@semiseg/errors";
import { variableGradients, withoutGradient } from "@semiseg/nn";
import {
  addN,
  clone,
  dispose,
  keep,
  mul,
  type Scalar,
  scalar,
  sqrt,
  square,
  stack,
  sum,
  type Tensor,
  tidy,
} from "@tensorflow/tfjs-core";
import type { Method } from "./method.js";
import type { OwnedStepContext } from "./step-context.js";

/** A loss that is not a finite number; nothing was changed by the step. */
export class NonFiniteLossError extends SemisegError {
  /** The term at fault. */
  readonly term: string;
  readonly step: number;
  constructor(term: string, step: number, value: number) {
    super(
      `the loss term '${term}' is ${value} at step ${step}: no weight was changed. Look at the data of this step (NaN or huge intensities), lower the learning rate, or clip gradients`,
      "NON_FINITE_LOSS",
    );
    this.term = term;
    this.step = step;
  }
}

/** One term's part of a step. */
export interface TermValue {
  readonly name: string;
  /** Before the weight. */
  readonly value: number;
  readonly weight: number;
  /** Euclidean norm of this term's weighted gradient; only when asked for. */
  readonly gradientNorm?: number;
}

/** Result of {@link methodGradients}. */
export interface MethodGradients {
  readonly total: number;
  readonly terms: readonly TermValue[];
  /** By the names of `method.trainable`; the caller disposes them. Variables that no term reached are absent. */
  readonly gradients: Map<string, Tensor>;
}

/** Options of {@link methodGradients}. */
export interface MethodGradientsOptions {
  /** Also the gradient norm of each term, at the cost of a backward pass per term. Default false. */
  readonly gradientNorms?: boolean;
}

/** The weighted sum of the terms, or one term of it; `values` receives the unweighted ones. */
function weighted(method: Method, context: OwnedStepContext, values: Map<string, Tensor>, only?: string): Scalar {
  const parts: Tensor[] = [];
  for (const term of method.terms) {
    const weight = term.weight(context.step, context.maxSteps);
    if (weight === 0 || (only !== undefined && term.name !== only)) continue;
    const loss = term.loss(context);
    if (only === undefined) values.set(term.name, keep(withoutGradient(() => clone(loss) as Tensor)));
    parts.push(mul(loss, weight));
  }
  return (parts.length === 0 ? scalar(0) : parts.length === 1 ? parts[0]! : addN(parts)) as Scalar;
}

/**
 * The losses of a step and the gradient of their weighted sum in everything the method trains.
 *
 * @throws NonFiniteLossError naming the first term whose value is NaN or infinite.
 */
export async function methodGradients(
  method: Method,
  context: OwnedStepContext,
  options: MethodGradientsOptions = {},
): Promise<MethodGradients> {
  const byTfName = new Map([...method.trainable.named].map(([name, variable]) => [variable.name, name]));
  const trainable = method.trainable.variables.filter((variable) => variable.trainable);
  const values = new Map<string, Tensor>();
  const backward = (only?: string): { value: Scalar; gradients: Map<string, Tensor> } => {
    context.forgetGradients();
    const { value, gradients } = variableGradients(() => weighted(method, context, values, only), trainable);
    return { value, gradients: new Map([...gradients].map(([variable, g]) => [byTfName.get(variable.name)!, g])) };
  };
  const active = method.terms.filter((term) => term.weight(context.step, context.maxSteps) !== 0);
  for (const term of active) await term.prepare?.(context);
  const { value, gradients } =
    active.length > 0 ? backward() : { value: scalar(0), gradients: new Map<string, Tensor>() };
  const numbers = await readScalars([value, ...values.values()]);
  dispose([value, ...values.values()]);
  const [total, ...raw] = numbers as [number, ...number[]];
  const byName = new Map([...values.keys()].map((name, i) => [name, raw[i]!]));
  for (const [name, number] of byName)
    if (!Number.isFinite(number)) {
      dispose([...gradients.values()]);
      throw new NonFiniteLossError(name, context.step, number);
    }
  const norms = new Map<string, number>();
  if (options.gradientNorms)
    for (const name of byName.keys()) {
      const own = backward(name);
      norms.set(name, await globalNorm(own.gradients));
      dispose([own.value, ...own.gradients.values()]);
    }
  const terms = method.terms.map(
    ({ name, weight }): TermValue => ({
      name,
      value: byName.get(name) ?? 0,
      weight: weight(context.step, context.maxSteps),
      ...(norms.has(name) ? { gradientNorm: norms.get(name)! } : {}),
    }),
  );
  return { total, terms, gradients };
}

async function readScalars(values: readonly Tensor[]): Promise<number[]> {
  const all = stack([...values]);
  const numbers = Array.from(await all.data());
  all.dispose();
  return numbers;
}

async function globalNorm(gradients: ReadonlyMap<string, Tensor>): Promise<number> {
  if (gradients.size === 0) return 0;
  const norm = tidy(() => sqrt(addN([...gradients.values()].map((g) => sum(square(g))))));
  const number = (await norm.data())[0]!;
  norm.dispose();
  return number;
}
