import { FUSED_ADAMW, FUSED_EMA, FUSED_SGD } from "@semiseg/kernels";
import { type NamedTensorInfoMap, type TensorInfo, tensor1d } from "@tensorflow/tfjs-core";
import { type Arguments, type Attrs, register, run } from "./operator.js";

/** Inputs named `role0`, `role1`, ... for several roles, role by role. */
const grouped = (inputs: NamedTensorInfoMap, roles: readonly string[], count: number): TensorInfo[] =>
  roles.flatMap((role) => Array.from({ length: count }, (_, i) => inputs[`${role}${i}`]!));

/**
 * Runs an update operator. Its numbers go in as a tensor: TensorFlow keeps an operator in memory for every set of
 * attributes it has seen, and a learning rate changes with the step.
 */
function update(
  { inputs, attrs, backend }: Arguments,
  op: string,
  roles: readonly string[],
  results: number,
  numbers: readonly number[],
  bools: Attrs = {},
): TensorInfo[] {
  const count = attrs["count"] as number;
  const last = tensor1d([...numbers], "float32");
  const all = [...grouped(inputs, roles, count), last];
  const ints = { total: all.length, results: results * count, count };
  const out = run(backend, op, all, results * count, { ints, bools });
  last.dispose();
  return out;
}

/** An SGD step of all variables in one call. */
export function registerSgd(): void {
  register(FUSED_SGD, (args) => {
    const { learningRate, momentum, weightDecay } = args.attrs as Record<string, number>;
    const roles = ["variable", "gradient", "velocity"];
    return update(args, "SemisegSgd", roles, 2, [learningRate!, momentum!, weightDecay!], {
      nesterov: args.attrs["nesterov"],
    });
  });
}

/** An AdamW step of all variables in one call. */
export function registerAdamW(): void {
  register(FUSED_ADAMW, (args) => {
    const { learningRate, beta1, beta2, epsilon, weightDecay, step } = args.attrs as Record<string, number>;
    const corrections = [1 - beta1! ** step!, 1 - beta2! ** step!];
    const numbers = [learningRate!, beta1!, beta2!, epsilon!, weightDecay!, ...corrections];
    return update(args, "SemisegAdamW", ["variable", "gradient", "first", "second"], 3, numbers);
  });
}

/** The moving average of all variables of a teacher in one call. */
export function registerEma(): void {
  register(FUSED_EMA, (args) => update(args, "SemisegEma", ["target", "source"], 1, [args.attrs["decay"] as number]));
}
