import type { TensorInfo } from "@tensorflow/tfjs-core";
import { attributesOf, type Handle, type TensorBinding, type TypedAttrs } from "../native/operator.js";

/** tfjs-node's backend, down to its binding. */
export interface ChainBackend {
  readonly binding: TensorBinding;
  getInputTensorIds(tensors: readonly TensorInfo[]): number[];
  createOutputTensor(handle: Handle): TensorInfo;
}

/** Types by TensorFlow's numbers for them; tfjs's binding names only the first two. */
export const TYPE = { float32: 1, int32: 3, bfloat16: 14, float16: 19 } as const;

/** Constants by their backend and name: each would be one more copy to the device in every call. */
const constants = new WeakMap<ChainBackend, Map<string, Handle>>();

/**
 * TensorFlow operators in a row, whose tensors in between tfjs never sees: it has no 16-bit types. What is made here and
 * not handed over is freed by {@link free}.
 */
export class OperatorChain {
  readonly #backend: ChainBackend;
  readonly #own = new Set<number>();

  constructor(backend: ChainBackend) {
    this.#backend = backend;
  }

  /** A float32 tensor of tfjs. */
  input(tensor: TensorInfo): Handle {
    return { id: this.#backend.getInputTensorIds([tensor])[0]!, shape: tensor.shape, dtype: TYPE.float32 };
  }

  /** Runs an operator with one result. */
  run(name: string, inputs: readonly Handle[], attrs: TypedAttrs = {}): Handle {
    const { binding } = this.#backend;
    const ids = inputs.map(({ id }) => id);
    const [result] = binding.executeOp(name, attributesOf(binding, attrs), ids, 1);
    this.#own.add(result!.id);
    return result!;
  }

  /** The same numbers in another type. */
  cast(x: Handle, type: number): Handle {
    return this.run("Cast", [x], { types: { DstT: type } });
  }

  /** A short list of whole numbers, such as a shape. */
  integers(values: readonly number[]): Handle {
    const shape = [values.length];
    const id = this.#backend.binding.createTensor(shape, TYPE.int32, Int32Array.from(values));
    this.#own.add(id);
    return { id, shape, dtype: TYPE.int32 };
  }

  /** A scalar that is kept for later calls. */
  constant(type: "float32" | "int32", value: number): Handle {
    const known = constants.get(this.#backend) ?? new Map<string, Handle>();
    constants.set(this.#backend, known);
    const name = `${type} ${value}`;
    const made = known.get(name);
    if (made) return made;
    const values = type === "float32" ? Float32Array.of(value) : Int32Array.of(value);
    const id = this.#backend.binding.createTensor([], TYPE[type], values);
    const handle = { id, shape: [], dtype: TYPE[type] };
    known.set(name, handle);
    return handle;
  }

  /** Hands a float32 result over to tfjs. */
  output(result: Handle): TensorInfo {
    this.#own.delete(result.id);
    return this.#backend.createOutputTensor(result);
  }

  /** Frees what was made and not handed over. */
  free(): void {
    for (const id of this.#own) this.#backend.binding.deleteTensor(id);
    this.#own.clear();
  }
}
