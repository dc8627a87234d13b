import { CheckpointError, OptionError, ShapeError } from "@semiseg/errors";
import { dispose, keep, type NamedTensorMap, type Tensor, tidy, type Variable, zerosLike } from "@tensorflow/tfjs-core";
import { copyTensor } from "../state/copy-tensor.js";

/** A learning rate, or one per step (counted from 0). */
export type LearningRate = number | ((step: number) => number);

/** Gradients by the names of the variables' module. */
export type NamedGradients = ReadonlyMap<string, Tensor> | Readonly<NamedTensorMap>;

/** What a checkpoint keeps of an optimizer; the tensors stay the optimizer's own. */
export interface OptimizerState {
  readonly json: unknown;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** Moves variables along gradients. */
export interface Optimizer {
  /**
   * One update. Variables without a gradient are left alone, weight decay included (as in PyTorch).
   * @param step - counted from 0; decides the learning rate.
   */
  apply(gradients: NamedGradients, named: ReadonlyMap<string, Variable>, step: number): void;
  /** The learning rate of a step, for logs. */
  rate(step: number): number;
  saveState(): OptimizerState;
  /** Copies a saved state. Throws CheckpointError when it belongs to another kind of optimizer. */
  loadState(state: OptimizerState): void;
  /** Frees the slots. */
  dispose(): void;
}

/** One variable with its gradient and the optimizer's tensors for it. */
export interface Update {
  readonly name: string;
  readonly variable: Variable;
  readonly gradient: Tensor;
}

/** Pairs gradients with variables, checked. */
export function updatesOf(where: string, gradients: NamedGradients, named: ReadonlyMap<string, Variable>): Update[] {
  const entries = gradients instanceof Map ? [...gradients] : Object.entries(gradients);
  return entries.flatMap(([name, gradient]: [string, Tensor | null]) => {
    if (!gradient) return [];
    const variable = named.get(name);
    if (!variable)
      throw new OptionError(`${where}: there is a gradient for '${name}', which is no variable of the module`);
    if (gradient.shape.join() !== variable.shape.join())
      throw new ShapeError(
        `${where}: the gradient of ${name} is [${gradient.shape}], the variable [${variable.shape}]`,
      );
    return [{ name, variable, gradient }];
  });
}

/** The rate at a step, checked. */
export function rateAt(where: string, learningRate: LearningRate, step: number): number {
  const rate = typeof learningRate === "number" ? learningRate : learningRate(step);
  if (!Number.isFinite(rate) || rate < 0)
    throw new OptionError(`${where}: learningRate must be a finite number >= 0, received ${rate} at step ${step}`);
  return rate;
}

/** An optimizer's tensors, by kind and variable; made of zeros when first asked for. */
export class Slots {
  readonly #kind: string;
  readonly #tensors = new Map<string, Tensor>();

  constructor(kind: string) {
    this.#kind = kind;
  }

  at(slot: string, { name, variable }: Update): Tensor {
    const key = `${slot}.${name}`;
    let tensor = this.#tensors.get(key);
    if (!tensor) {
      tensor = zerosLike(variable as Tensor);
      this.#tensors.set(key, keep(tensor));
    }
    if (tensor.shape.join() !== variable.shape.join())
      throw new CheckpointError(
        `${this.#kind}: the state of ${name} is [${tensor.shape}], the variable [${variable.shape}]`,
      );
    return tensor;
  }

  set(slot: string, name: string, value: Tensor): void {
    const key = `${slot}.${name}`;
    dispose(this.#tensors.get(key) ?? []);
    this.#tensors.set(key, keep(value));
  }

  save(json: Readonly<Record<string, unknown>> = {}): OptimizerState {
    return { json: { kind: this.#kind, ...json }, tensors: new Map(this.#tensors) };
  }

  load({ json, tensors }: OptimizerState): Readonly<Record<string, unknown>> {
    const saved = (json ?? {}) as Readonly<Record<string, unknown>>;
    if (saved["kind"] !== this.#kind)
      throw new CheckpointError(`${this.#kind}: the saved state is of '${String(saved["kind"])}', not '${this.#kind}'`);
    this.dispose();
    tidy(() => {
      for (const [key, tensor] of tensors) this.#tensors.set(key, keep(copyTensor(tensor)));
    });
    return saved;
  }

  dispose(): void {
    dispose([...this.#tensors.values()]);
    this.#tensors.clear();
  }
}
