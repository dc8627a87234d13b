import { replaceKernel } from "@semiseg/kernels";
import { type KernelFunc, type NamedTensorInfoMap, registerKernel, type TensorInfo, util } from "@tensorflow/tfjs-core";

/** An attribute as the binding takes it. */
export type Attribute = { readonly name: string; readonly type: number; readonly value: unknown };
/** The binding's codes of attribute types. */
export type AttributeTypes = Readonly<
  Record<"TF_ATTR_INT" | "TF_ATTR_FLOAT" | "TF_ATTR_BOOL" | "TF_ATTR_STRING" | "TF_ATTR_TYPE", number>
>;
/** A tensor as the binding knows it. */
export interface Handle {
  readonly id: number;
  readonly shape: number[];
  readonly dtype: number;
}
/** The part of the binding below tfjs: tensors by id. */
export interface TensorBinding extends AttributeTypes {
  createTensor(shape: number[], dtype: number, values: Float32Array | Int32Array): number;
  executeOp(op: string, attributes: Attribute[], inputs: number[], outputs: number): Handle[];
  deleteTensor(id: number): void;
}
/** What we use of tfjs-node's backend. */
export type NativeBackend = {
  readonly binding: AttributeTypes;
  executeMultipleOutputs(op: string, attrs: Attribute[], inputs: TensorInfo[], outputs: number): TensorInfo[];
};
/** Attributes by name. */
export type Attrs = Record<string, unknown>;
/** What a kernel is called with. */
export type Arguments = { readonly inputs: NamedTensorInfoMap; readonly attrs: Attrs; readonly backend: NativeBackend };

/** Name of the tfjs backend. */
export const BACKEND = "tensorflow";

/** Attributes by type: numbers without a fraction must say whether they are int or float attributes. */
export type TypedAttrs = {
  readonly ints?: Attrs;
  readonly floats?: Attrs;
  readonly bools?: Attrs;
  readonly strings?: Attrs;
  /** Numbers of tensor types. */
  readonly types?: Attrs;
};

/** Attributes in the binding's form. */
export function attributesOf(
  { TF_ATTR_INT, TF_ATTR_FLOAT, TF_ATTR_BOOL, TF_ATTR_STRING, TF_ATTR_TYPE }: AttributeTypes,
  { ints, floats, bools, strings, types }: TypedAttrs,
): Attribute[] {
  // Loops: this runs thousands of times in a step.
  const attributes: Attribute[] = [];
  for (const name in ints) attributes.push({ name, type: TF_ATTR_INT, value: ints[name] });
  for (const name in floats) attributes.push({ name, type: TF_ATTR_FLOAT, value: floats[name] });
  for (const name in bools) attributes.push({ name, type: TF_ATTR_BOOL, value: bools[name] });
  for (const name in strings) attributes.push({ name, type: TF_ATTR_STRING, value: strings[name] });
  for (const name in types) attributes.push({ name, type: TF_ATTR_TYPE, value: types[name] });
  return attributes;
}

/** Runs one of our operators. */
export function run(
  backend: NativeBackend,
  op: string,
  inputs: readonly TensorInfo[],
  outputs: number,
  attrs: TypedAttrs = {},
): TensorInfo[] {
  return backend.executeMultipleOutputs(op, attributesOf(backend.binding, attrs), [...inputs], outputs);
}

/** Puts a kernel of our own behind its name. */
export function register(kernelName: string, kernelFunc: (args: Arguments) => TensorInfo | TensorInfo[]): void {
  registerKernel({ kernelName, backendName: BACKEND, kernelFunc: kernelFunc as unknown as KernelFunc });
}

/** Replaces a stock kernel; `own` returns null for cases that stay with TensorFlow's. */
export const replace = (kernelName: string, own: (args: Arguments) => TensorInfo | null): void =>
  replaceKernel(kernelName, BACKEND, own);

/** Whether all are float32. */
export const float = (...tensors: TensorInfo[]): boolean => tensors.every(({ dtype }) => dtype === "float32");

/** Number of elements. */
export const sizeOf = (x: TensorInfo): number => util.sizeFromShape(x.shape);
