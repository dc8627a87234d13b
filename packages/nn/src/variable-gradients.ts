import { OptionError, ShapeError } from "@semiseg/errors";
import {
  add,
  engine,
  type NamedTensorMap,
  ones,
  type Scalar,
  type Tensor,
  tidy,
  type Variable,
  variableGrads,
} from "@tensorflow/tfjs-core";

/** One recorded operation, as tfjs's engine keeps it. */
interface TapeNode {
  readonly kernelName: string;
  readonly inputs: Readonly<NamedTensorMap>;
  readonly outputs: readonly Tensor[];
  readonly saved: readonly Tensor[];
  gradient?(dys: readonly (Tensor | null)[]): Record<string, () => Tensor>;
}

/** The parts of tfjs's engine that `tf.variableGrads` is made of. */
interface Tape {
  readonly state: {
    gradientDepth: number;
    activeTape: TapeNode[] | null;
    readonly activeScope: { readonly id: number };
  };
  startTape(): void;
  endTape(): void;
}

/** A value and its gradient in every variable that it depends on. */
export interface VariableGradients {
  readonly value: Scalar;
  /** The caller disposes them. Variables that the value does not depend on are absent. */
  readonly gradients: Map<Variable, Tensor>;
}

/** The nodes between the variables and the value; an input that no variable reaches needs no gradient. */
function connected(tape: readonly TapeNode[], variables: readonly Variable[], value: Tensor) {
  const reached = new Set(variables.map(({ id }) => id));
  const after = tape.filter(({ inputs, outputs }) => {
    const moved = Object.values(inputs).some((input) => reached.has(input.id));
    if (moved) for (const { id } of outputs) reached.add(id);
    return moved;
  });
  const wanted = new Set([value.id]);
  const nodes = after.reverse().filter(({ inputs, outputs }) => {
    const leads = outputs.some(({ id }) => wanted.has(id));
    if (leads) for (const { id } of Object.values(inputs)) wanted.add(id);
    return leads;
  });
  return { nodes, reached };
}

/** Gradients on their way: by the tensor they belong to, freed when nothing holds them any more. */
class Flow {
  readonly #gradients = new Map<number, Tensor>();
  readonly #holders = new Map<number, number>();

  at(id: number): Tensor | null {
    return this.#gradients.get(id) ?? null;
  }

  set(id: number, gradient: Tensor): void {
    this.#gradients.set(id, gradient);
    this.#holders.set(gradient.id, (this.#holders.get(gradient.id) ?? 0) + 1);
  }

  add(id: number, gradient: Tensor): void {
    const before = this.#gradients.get(id);
    if (!before) {
      this.set(id, gradient);
      return;
    }
    const sum = add(before, gradient);
    this.forget(id);
    if (!this.#holders.has(gradient.id)) gradient.dispose();
    this.set(id, sum);
  }

  forget(id: number): void {
    const gradient = this.#gradients.get(id);
    if (!gradient) return;
    this.#gradients.delete(id);
    const left = this.#holders.get(gradient.id)! - 1;
    if (left > 0) this.#holders.set(gradient.id, left);
    else {
      this.#holders.delete(gradient.id);
      gradient.dispose();
    }
  }
}

/** The gradients of one node's inputs, owned by the current scope; everything else that was made on the way is freed. */
function inputGradients(node: TapeNode, names: readonly string[], dys: readonly (Tensor | null)[]): NamedTensorMap {
  if (!node.gradient) throw new OptionError(`variableGradients: no gradient is known for ${node.kernelName}`);
  const made = tidy(() => {
    const functions = node.gradient!(dys);
    return Object.fromEntries(names.map((name) => [name, functions[name]!()])) as NamedTensorMap;
  });
  const scope = (engine() as unknown as Tape).state.activeScope.id;
  for (const name of names) {
    const [gradient, input] = [made[name]!, node.inputs[name]!];
    if (gradient.shape.join() !== input.shape.join())
      throw new ShapeError(
        `variableGradients: the gradient of ${node.kernelName} in '${name}' is [${gradient.shape}], the input [${input.shape}]`,
      );
    // A gradient that is somebody else's tensor (a saved one, a constant) must outlive us.
    if ((gradient as unknown as { scopeId: number }).scopeId !== scope) made[name] = gradient.clone();
  }
  return made;
}

/**
 * `tf.variableGrads` in less memory: what a forward pass saved and what a backward pass has used are freed on the way,
 * not at its end. Same values. Inside another gradient it is `tf.variableGrads`.
 *
 * @throws OptionError when `f` does not depend on any of the variables.
 */
export function variableGradients(f: () => Scalar, variables: readonly Variable[]): VariableGradients {
  const tape = engine() as unknown as Tape;
  if (tape.state.gradientDepth > 0) {
    const { value, grads } = variableGrads(f, [...variables]);
    const byName = new Map(variables.map((variable) => [variable.name, variable]));
    return { value, gradients: new Map(Object.entries(grads).map(([name, g]) => [byName.get(name)!, g])) };
  }
  let recorded: readonly TapeNode[] = [];
  try {
    tape.startTape();
    let value: Scalar;
    try {
      value = tidy(f);
    } finally {
      recorded = tape.state.activeTape ?? [];
      tape.endTape();
    }
    const { nodes, reached } = connected(recorded, variables, value);
    const used = new Set(nodes);
    for (const node of recorded) if (!used.has(node)) free(node);
    const gradients = tidy(() => backward(nodes, reached, value, variables));
    if (Object.keys(gradients).length === 0)
      throw new OptionError("variableGradients: the value does not depend on any of the variables");
    return {
      value,
      gradients: new Map(variables.filter(({ name }) => gradients[name]).map((v) => [v, gradients[v.name]!])),
    };
  } finally {
    for (const node of recorded) free(node);
    tape.state.activeTape = null;
  }
}

function free(node: TapeNode): void {
  for (const tensor of node.saved) tensor.dispose();
}

/** Walks the nodes, last first; `reached`: ids of what depends on a variable. Gradients by the variables' names. */
function backward(
  nodes: readonly TapeNode[],
  reached: ReadonlySet<number>,
  value: Tensor,
  variables: readonly Variable[],
): NamedTensorMap {
  const flow = new Flow();
  flow.set(value.id, ones(value.shape));
  for (const node of nodes) {
    const names = Object.keys(node.inputs).filter((name) => reached.has(node.inputs[name]!.id));
    const made = inputGradients(
      node,
      names,
      node.outputs.map(({ id }) => flow.at(id)),
    );
    for (const name of names) flow.add(node.inputs[name]!.id, made[name]!);
    for (const { id } of node.outputs) flow.forget(id);
    free(node);
  }
  return Object.fromEntries(
    variables.map(({ id, name }) => [name, flow.at(id)] as const).filter(([, g]) => g !== null),
  ) as NamedTensorMap;
}
