import { replaceKernel } from "@semiseg/kernels";
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import {
  type DataType,
  type NamedAttrMap,
  type NamedTensorInfoMap,
  slice_util,
  type TensorInfo,
} from "@tensorflow/tfjs-core";
import { type AxisMap, indexMap } from "./index-map-program.js";
import { scan } from "./scan-program.js";

type Arguments = { inputs: NamedTensorInfoMap; attrs?: NamedAttrMap | undefined; backend: WebGPUBackend };
type Fix = (args: Arguments, stock: (args: Arguments) => TensorInfo) => TensorInfo;

/** Kernels of two operands whose stock program cannot broadcast a [C] operand against a rank-5 tensor. */
const BINARY = [
  "Add",
  "Sub",
  "Multiply",
  "RealDiv",
  "FloorDiv",
  "Mod",
  "Pow",
  "Maximum",
  "Minimum",
  "SquaredDifference",
  "Prelu",
  "Atan2",
  "Equal",
  "NotEqual",
  "Greater",
  "GreaterEqual",
  "Less",
  "LessEqual",
  "LogicalAnd",
  "LogicalOr",
] as const;

const view = (x: TensorInfo, shape: readonly number[]): TensorInfo => ({
  dataId: x.dataId,
  dtype: x.dtype,
  shape: [...shape],
});
const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);

/** The same values with leading ones: [C] beside [N,D,H,W,C] becomes [1,1,1,1,C], which the stock program handles. */
const sameRank: Fix = (args, stock) => {
  const entries = Object.entries(args.inputs);
  const rank = Math.max(...entries.map(([, x]) => x!.shape.length));
  if (rank < 5) return stock(args);
  const inputs = Object.fromEntries(
    entries.map(([name, x]) => [name, view(x!, [...Array(rank - x!.shape.length).fill(1), ...x!.shape])]),
  );
  return stock({ ...args, inputs });
};

const select: Fix = (args, stock) => {
  const { condition, t, e } = args.inputs as Record<"condition" | "t" | "e", TensorInfo>;
  if (t.shape.length < 5) return stock(args);
  const inner = product(t.shape) / product(condition.shape);
  // Rank-1 conditions select whole rows; both cases are rank 2 after flattening.
  const rows = [product(condition.shape), inner];
  const flatCondition = inner === 1 ? view(condition, [rows[0]!, 1]) : view(condition, [rows[0]!]);
  const out = stock({ ...args, inputs: { condition: flatCondition, t: view(t, rows), e: view(e, rows) } });
  return { ...out, shape: t.shape };
};

const pad: Fix = (args, stock) => {
  const x = args.inputs["x"]!;
  const { paddings, constantValue } = args.attrs as unknown as { paddings: [number, number][]; constantValue: number };
  if (x.shape.length < 5) return stock(args);
  const shape = x.shape.map((n, i) => n + paddings[i]![0] + paddings[i]![1]);
  const maps = paddings.map(([before]): AxisMap => ({ kind: "pad", before }));
  return indexMap(args.backend, x, shape, maps, constantValue);
};

const mirrorPad: Fix = (args, stock) => {
  const x = args.inputs["x"]!;
  const { paddings, mode } = args.attrs as unknown as { paddings: [number, number][]; mode: "reflect" | "symmetric" };
  if (x.shape.length < 5) return stock(args);
  const shape = x.shape.map((n, i) => n + paddings[i]![0] + paddings[i]![1]);
  const maps = paddings.map(([before]): AxisMap => ({ kind: "mirror", before, symmetric: mode === "symmetric" }));
  return indexMap(args.backend, x, shape, maps);
};

const reverse: Fix = (args, stock) => {
  const x = args.inputs["x"]!;
  const { dims } = args.attrs as unknown as { dims: number[] };
  // The stock program is for float32 of up to 4 axes: on other types it does not compile.
  if (x.shape.length < 5 && x.dtype === "float32") return stock(args);
  const flipped = new Set(dims.map((d) => (d < 0 ? d + x.shape.length : d)));
  const maps = x.shape.map(
    (n, i): AxisMap =>
      flipped.has(i) ? { kind: "stride", begin: n - 1, step: -1 } : { kind: "stride", begin: 0, step: 1 },
  );
  return indexMap(args.backend, x, x.shape, maps);
};

const tile: Fix = (args, stock) => {
  const x = args.inputs["x"]!;
  const { reps } = args.attrs as unknown as { reps: number[] };
  if (x.shape.length < 5) return stock(args);
  return indexMap(
    args.backend,
    x,
    x.shape.map((n, i) => n * reps[i]!),
    x.shape.map((): AxisMap => ({ kind: "tile" })),
  );
};

const stridedSlice: Fix = (args, stock) => {
  const x = args.inputs["x"]!;
  if (x.shape.length < 5) return stock(args);
  const a = args.attrs as unknown as Record<"begin" | "end" | "strides", number[]> &
    Record<"beginMask" | "endMask" | "ellipsisMask" | "newAxisMask" | "shrinkAxisMask", number>;
  const info = slice_util.sliceInfo(
    x.shape,
    a.begin,
    a.end,
    a.strides,
    a.beginMask,
    a.endMask,
    a.ellipsisMask,
    a.newAxisMask,
    a.shrinkAxisMask,
  );
  const shape = slice_util.computeOutShape(info.begin, info.end, info.strides);
  const maps = info.begin.map((begin, i): AxisMap => ({ kind: "stride", begin, step: info.strides[i]! }));
  return { ...indexMap(args.backend, x, shape, maps), shape: info.finalShape };
};

const cumulative =
  (operation: "+" | "*"): Fix =>
  (args, stock) => {
    const x = args.inputs["x"]!;
    if (x.shape.length < 5) return stock(args);
    const { axis, exclusive, reverse } = args.attrs as unknown as {
      axis: number;
      exclusive: boolean;
      reverse: boolean;
    };
    const positive = axis < 0 ? axis + x.shape.length : axis;
    return scan(args.backend, x, { axis: positive, exclusive, reverse, operation });
  };

/**
 * The stock kernel hands a bool's or an integer's buffer on as the floats'; programs that read buffers as they are
 * (transpose, the convolutions) then find integers there.
 */
const cast: Fix = (args, stock) => {
  const x = args.inputs["x"]!;
  const { dtype } = args.attrs as unknown as { dtype: DataType };
  if (dtype !== "float32" || (x.dtype !== "bool" && x.dtype !== "int32")) return stock(args);
  const size = product(x.shape);
  const same: AxisMap = { kind: "stride", begin: 0, step: 1 };
  return { ...indexMap(args.backend, view(x, [size]), [size], [same], 0, dtype), shape: x.shape };
};

/** Terms of one sum: each is a storage buffer beside the result's, and devices need allow no more than 8 of those. */
const TERMS = 7;

const addN: Fix = (args, stock) => {
  const sumOf = (terms: readonly TensorInfo[]): TensorInfo =>
    addN({ ...args, inputs: terms as unknown as NamedTensorInfoMap }, stock);
  const terms = Object.values(args.inputs) as TensorInfo[];
  if (terms.length <= TERMS) return stock(args);
  const parts = Array.from({ length: Math.ceil(terms.length / TERMS) }, (_, i) =>
    sumOf(terms.slice(i * TERMS, (i + 1) * TERMS)),
  );
  const sum = sumOf(parts);
  for (const { dataId } of parts) args.backend.disposeData(dataId);
  return sum;
};

const FIXES: Readonly<Record<string, Fix>> = {
  AddN: addN,
  Cast: cast,
  ...Object.fromEntries(BINARY.map((name) => [name, sameRank])),
  Select: select,
  PadV2: pad,
  MirrorPad: mirrorPad,
  Reverse: reverse,
  Tile: tile,
  StridedSlice: stridedSlice,
  Cumsum: cumulative("+"),
  Cumprod: cumulative("*"),
};

let fixed = false;

/**
 * Replaces the kernels of tfjs-backend-webgpu that are wrong on rank-5 tensors, for this process. Calling it again
 * does nothing. Ranks below 5
 * keep the stock kernels, but for addN, casts and reversing integers.
 */
export function fixKernels(): void {
  if (fixed) return;
  fixed = true;
  for (const [name, fix] of Object.entries(FIXES)) replaceKernel(name, "webgpu", fix);
}
