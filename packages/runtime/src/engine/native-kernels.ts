import {
  FUSED_ADAMW,
  FUSED_CORRELATION_ROWS,
  FUSED_EMA,
  FUSED_GELU,
  FUSED_GELU_GRAD,
  FUSED_LAYER_NORM,
  FUSED_LAYER_NORM_GRAD,
  FUSED_LINEAR,
  FUSED_LINEAR_GRAD,
  FUSED_NORM,
  FUSED_NORM_GRAD,
  FUSED_RESIZE,
  FUSED_RESIZE_GRAD,
  FUSED_SEGMENTATION_SUMS,
  FUSED_SEGMENTATION_SUMS_GRAD,
  FUSED_SGD,
  FUSED_SOFT_TARGET,
  type FusedResizeAttrs,
  RELU_GRAD,
  replaceGradient,
  replaceKernel,
} from "@semiseg/kernels";
import {
  backend_util,
  broadcastTo,
  getBackend,
  getGradient,
  type KernelFunc,
  mul,
  type NamedTensorInfoMap,
  registerKernel,
  reshape,
  type Tensor,
  type TensorInfo,
  tensor1d,
  util,
} from "@tensorflow/tfjs-core";

type Attribute = { readonly name: string; readonly type: number; readonly value: unknown };
type NativeBackend = {
  readonly binding: Record<"TF_ATTR_INT" | "TF_ATTR_FLOAT" | "TF_ATTR_BOOL", number>;
  executeMultipleOutputs(op: string, attrs: Attribute[], inputs: TensorInfo[], outputs: number): TensorInfo[];
};
type Attrs = Record<string, unknown>;
type Arguments = { readonly inputs: NamedTensorInfoMap; readonly attrs: Attrs; readonly backend: NativeBackend };
type Shape5 = [number, number, number, number, number];

const BACKEND = "tensorflow";

/** Runs one of our operators; numbers without a fraction must say whether they are int or float attributes. */
function run(
  backend: NativeBackend,
  op: string,
  inputs: readonly TensorInfo[],
  outputs: number,
  { ints = {}, floats = {}, bools = {} }: { ints?: Attrs; floats?: Attrs; bools?: Attrs } = {},
): TensorInfo[] {
  const { TF_ATTR_INT, TF_ATTR_FLOAT, TF_ATTR_BOOL } = backend.binding;
  // Loops: this runs thousands of times in a step.
  const attributes: Attribute[] = [];
  for (const name in ints) attributes.push({ name, type: TF_ATTR_INT, value: ints[name] });
  for (const name in floats) attributes.push({ name, type: TF_ATTR_FLOAT, value: floats[name] });
  for (const name in bools) attributes.push({ name, type: TF_ATTR_BOOL, value: bools[name] });
  return backend.executeMultipleOutputs(op, attributes, [...inputs], outputs);
}

function register(kernelName: string, kernelFunc: (args: Arguments) => TensorInfo | TensorInfo[]): void {
  registerKernel({ kernelName, backendName: BACKEND, kernelFunc: kernelFunc as unknown as KernelFunc });
}

/** Replaces a stock kernel; `own` returns null for cases that stay with TensorFlow's. */
const replace = (kernelName: string, own: (args: Arguments) => TensorInfo | null): void =>
  replaceKernel(kernelName, BACKEND, own);

interface Convolution {
  readonly stride: number;
  readonly padding: readonly number[];
  readonly output: readonly number[];
}

/** Attributes of a convolution that our kernels cover, or null. */
function covered(
  x: readonly number[],
  filter: readonly number[],
  attrs: Attrs,
  needsTiles = false,
): Convolution | null {
  const {
    strides,
    pad,
    dilations = 1,
  } = attrs as {
    strides: number | [number, number, number];
    pad: "same" | "valid" | number;
    dilations?: number | number[];
  };
  const stride = [strides].flat();
  if (new Set(stride).size !== 1 || [dilations].flat().some((d) => d !== 1) || typeof pad === "number") return null;
  if (filter[0]! * filter[1]! > 64 || x.some((n) => n === 0)) return null;
  const info = backend_util.computeConv3DInfo(x as Shape5, filter as Shape5, strides, 1, pad);
  const padding = [info.padInfo.front, info.padInfo.top, info.padInfo.left];
  const sizes = [info.outDepth, info.outHeight, info.outWidth];
  const tiles = sizes.every((n, i) => filter[i] === stride[0] && padding[i] === 0 && n * filter[i]! <= x[i + 1]!);
  if (needsTiles && stride[0]! > 1 && !tiles) return null;
  return {
    stride: stride[0]!,
    padding,
    output: [info.batchSize, info.outDepth, info.outHeight, info.outWidth, info.outChannels],
  };
}

const float = (...tensors: TensorInfo[]): boolean => tensors.every(({ dtype }) => dtype === "float32");

function replaceConvolutions(): void {
  replace("Conv3D", ({ inputs, attrs, backend }) => {
    const { x, filter } = inputs as Record<"x" | "filter", TensorInfo>;
    const c = float(x, filter) ? covered(x.shape, filter.shape, attrs) : null;
    if (!c) return null;
    const ints = { stride: c.stride, padding: c.padding, shape: c.output };
    return run(backend, "SemisegConv3D", [x, filter], 1, { ints })[0]!;
  });
  replace("Conv3DBackpropInputV2", ({ inputs, attrs, backend }) => {
    const { dy, filter } = inputs as Record<"dy" | "filter", TensorInfo>;
    const shape = attrs["inputShape"] as number[];
    const c = float(dy, filter) ? covered(shape, filter.shape, attrs, true) : null;
    if (!c) return null;
    const ints = { stride: c.stride, padding: c.padding, shape };
    return run(backend, "SemisegConv3DInputGradient", [dy, filter], 1, { ints })[0]!;
  });
  replace("Conv3DBackpropFilterV2", ({ inputs, attrs, backend }) => {
    const { x, dy } = inputs as Record<"x" | "dy", TensorInfo>;
    const shape = attrs["filterShape"] as number[];
    const c = float(x, dy) ? covered(x.shape, shape, attrs) : null;
    if (!c) return null;
    const ints = { stride: c.stride, padding: c.padding, shape };
    return run(backend, "SemisegConv3DFilterGradient", [x, dy], 1, { ints })[0]!;
  });
}

const sizeOf = (x: TensorInfo): number => util.sizeFromShape(x.shape);

/** Smaller tensors stay with TensorFlow's own kernels, which take as long for them. */
const WORTH = 4096;

/**
 * How `small` meets `full` when broadcast to it: `full` as [outer, mid, inner], `small` as [outer, 1, inner]. Null for
 * shapes that do not broadcast to `full`'s, or in more than one place.
 */
export function broadcastPattern(
  full: readonly number[],
  small: readonly number[],
): { readonly mid: number; readonly inner: number } | null {
  if (small.length > full.length) return null;
  const padded = [...Array.from({ length: full.length - small.length }, () => 1), ...small];
  let [mid, inner] = [1, 1];
  // From the last axis on: kept axes are `inner`, then repeated ones `mid`, then kept ones again.
  let region: "inner" | "mid" | "outer" = "inner";
  for (let axis = full.length - 1; axis >= 0; axis--) {
    const [n, own] = [full[axis]!, padded[axis]!];
    if (own !== n && own !== 1) return null;
    if (n === 1) continue;
    if (own === n) {
      if (region === "mid") region = "outer";
      if (region === "inner") inner *= n;
    } else {
      if (region === "outer") return null;
      region = "mid";
      mid *= n;
    }
  }
  return { mid, inner };
}

/** Sums over middle axes are ours for at most so many sets of them. */
const MOST_OUTER = 16;

/** Codes of `Binary` in native/kernels.h: with the full tensor first, and with it second. */
const BINARY = { Add: [0, 0], Sub: [1, 4], Multiply: [2, 2], RealDiv: [3, 5] } as const;

/** Elementwise arithmetic, sums and softmax: wide passes on all threads instead of Eigen's narrow ones. */
function replaceElementwise(): void {
  for (const [kernel, [forward, swapped]] of Object.entries(BINARY))
    replace(kernel, ({ inputs, backend }) => {
      const { a, b } = inputs as Record<"a" | "b", TensorInfo>;
      const [sizeA, sizeB] = [sizeOf(a), sizeOf(b)];
      if (!float(a, b) || Math.max(sizeA, sizeB) < WORTH || sizeA === 0 || sizeB === 0) return null;
      const swap = sizeB > sizeA || (sizeB === sizeA && b.shape.length > a.shape.length);
      const [full, small] = swap ? [b, a] : [a, b];
      const pattern = broadcastPattern(full.shape, small.shape);
      if (!pattern) return null;
      const ints = { operation: swap ? swapped : forward, ...pattern };
      return run(backend, "SemisegBinary", [full, small], 1, { ints })[0]!;
    });
  // Attributes in place of the tensors of shapes and axes that the stock kernels make for each call.
  replace("Reshape", ({ inputs, attrs, backend }) => {
    const { x } = inputs as Record<"x", TensorInfo>;
    const size = sizeOf(x);
    if (!float(x) || size === 0) return null;
    const shape = util.inferFromImplicitShape(attrs["shape"] as number[], size);
    if (util.sizeFromShape(shape) !== size) return null;
    return run(backend, "SemisegReshape", [x], 1, { ints: { shape } })[0]!;
  });
  replace("Tile", ({ inputs, attrs, backend }) => {
    const { x } = inputs as Record<"x", TensorInfo>;
    const reps = attrs["reps"] as number[];
    const shape = x.shape.map((n, i) => n * reps[i]!);
    if (!float(x) || sizeOf(x) === 0 || reps.some((n, i) => n !== 1 && x.shape[i] !== 1)) return null;
    const pattern = broadcastPattern(shape, x.shape);
    return pattern && run(backend, "SemisegBroadcast", [x], 1, { ints: { shape, ...pattern } })[0]!;
  });
  replace("Softmax", ({ inputs, backend }) => {
    const { logits } = inputs as Record<"logits", TensorInfo>;
    if (!float(logits) || sizeOf(logits) < WORTH) return null;
    return run(backend, "SemisegSoftmax", [logits], 1)[0]!;
  });
  replace("Sum", ({ inputs, attrs, backend }) => {
    const { x } = inputs as Record<"x", TensorInfo>;
    const rank = x.shape.length;
    if (!float(x) || sizeOf(x) === 0) return null;
    const { axis, keepDims } = attrs as { axis: number | number[] | null; keepDims: boolean };
    const axes = util.parseAxisParam(axis as number | number[], x.shape).sort((p, q) => p - q);
    if (axes.length === 0 || axes.some((a, i) => a !== axes[0]! + i)) return null;
    const trailing = axes.at(-1) === rank - 1;
    const outer = trailing && axes[0] !== 0 ? 1 : util.sizeFromShape(x.shape.slice(0, axes[0]));
    // Many short sums are not what our passes are made for.
    if (outer > MOST_OUTER) return null;
    const shape = x.shape.flatMap((n, i) => (axes.includes(i) ? (keepDims ? [1] : []) : [n]));
    const rows = trailing && axes[0] !== 0;
    return run(backend, "SemisegSum", [x], 1, { ints: { shape, outer }, bools: { rows } })[0]!;
  });
}

/** tfjs's gradients of sums and means multiply by a tensor of ones, which it fills in JavaScript each time. */
function replaceSumGradients(): void {
  for (const kernelName of ["Sum", "Mean"]) {
    const stock = getGradient(kernelName);
    if (!stock) continue;
    replaceGradient({
      ...stock,
      gradFunc: (dy, saved, attrs) => {
        if (getBackend() !== BACKEND) return stock.gradFunc(dy, saved, attrs);
        const { shape, size } = saved[0]!;
        const axes = util.parseAxisParam(attrs["axis"] as number[], shape);
        const kept = shape.map((n, i) => (axes.includes(i) ? 1 : n));
        const g = reshape(dy as Tensor, kept);
        const scaled = kernelName === "Mean" ? mul(g, util.sizeFromShape(kept) / size) : g;
        return { x: () => broadcastTo(scaled, shape) };
      },
    });
  }
}

function registerNorms(): void {
  const options = (attrs: Attrs) => ({
    ints: { groups: attrs["groups"] },
    floats: { epsilon: attrs["epsilon"] },
    bools: { relu: attrs["relu"] },
  });
  // Layer norm: below 0 groups, every row of the last axis by itself.
  for (const [forward, gradient, fixed] of [
    [FUSED_NORM, FUSED_NORM_GRAD, {}],
    [FUSED_LAYER_NORM, FUSED_LAYER_NORM_GRAD, { groups: -1, relu: false }],
  ] as const) {
    register(forward, ({ inputs, attrs, backend }) => {
      const { x, gamma, beta } = inputs as Record<string, TensorInfo>;
      return run(backend, "SemisegNorm", [x!, gamma!, beta!], 3, options({ ...attrs, ...fixed }));
    });
    register(gradient, ({ inputs, attrs, backend }) => {
      const { dy, x, gamma, beta, mean, inverseStd } = inputs as Record<string, TensorInfo>;
      const all = [dy!, x!, gamma!, beta!, mean!, inverseStd!];
      return run(backend, "SemisegNormGradient", all, 3, options({ ...attrs, ...fixed }));
    });
  }
  register(FUSED_GELU, ({ inputs, backend }) => run(backend, "SemisegGelu", [inputs["x"]!], 1)[0]!);
  register(
    FUSED_GELU_GRAD,
    ({ inputs, backend }) => run(backend, "SemisegGeluGradient", [inputs["dy"]!, inputs["x"]!], 1)[0]!,
  );
  register(RELU_GRAD, ({ inputs, attrs, backend }) => {
    const { dy, y } = inputs as Record<string, TensorInfo>;
    const floats = { slope: attrs?.["slope"] ?? 0 };
    return run(backend, "SemisegReluGradient", [dy!, y!], 1, { floats })[0]!;
  });
}

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

function registerUpdates(): void {
  register(FUSED_SGD, (args) => {
    const { learningRate, momentum, weightDecay } = args.attrs as Record<string, number>;
    const roles = ["variable", "gradient", "velocity"];
    return update(args, "SemisegSgd", roles, 2, [learningRate!, momentum!, weightDecay!], {
      nesterov: args.attrs["nesterov"],
    });
  });
  register(FUSED_ADAMW, (args) => {
    const { learningRate, beta1, beta2, epsilon, weightDecay, step } = args.attrs as Record<string, number>;
    const corrections = [1 - beta1! ** step!, 1 - beta2! ** step!];
    const numbers = [learningRate!, beta1!, beta2!, epsilon!, weightDecay!, ...corrections];
    return update(args, "SemisegAdamW", ["variable", "gradient", "first", "second"], 3, numbers);
  });
  register(FUSED_EMA, (args) => update(args, "SemisegEma", ["target", "source"], 1, [args.attrs["decay"] as number]));
}

function registerLossSums(): void {
  register(FUSED_CORRELATION_ROWS, ({ inputs, backend }) => {
    const { zV, zA } = inputs as Record<string, TensorInfo>;
    return run(backend, "SemisegCorrelationRows", [zV!, zA!], 3);
  });
  register(FUSED_SOFT_TARGET, ({ inputs, attrs, backend }) => {
    const { logits, target, mask } = inputs as Record<string, TensorInfo | undefined>;
    return run(backend, "SemisegSoftTarget", [logits!, target!, ...(mask ? [mask] : [])], 2, {
      ints: { masks: mask ? 1 : 0 },
      floats: { cross_entropy: attrs["crossEntropy"], dice: attrs["dice"], smooth: attrs["smooth"] },
      bools: { background: attrs["background"] },
    });
  });
  register(FUSED_SEGMENTATION_SUMS, ({ inputs, backend }) => {
    const { logits, labels } = inputs as Record<string, TensorInfo>;
    return run(backend, "SemisegSegmentationSums", [logits!, labels!], 5);
  });
  register(FUSED_SEGMENTATION_SUMS_GRAD, ({ inputs, backend }) => {
    const names = ["logits", "labels", "dCrossEntropy", "dIntersection", "dSquares", "dSums"];
    return run(
      backend,
      "SemisegSegmentationSumsGradient",
      names.map((name) => inputs[name]!),
      1,
    )[0]!;
  });
}

/** Matrix products with a side of at most so many numbers are ours; larger ones are what TensorFlow is made for. */
const SHORT_SIDE = 64;

function replaceProducts(): void {
  replace("BatchMatMul", ({ inputs, attrs, backend }) => {
    const { a, b } = inputs as Record<"a" | "b", TensorInfo>;
    const { transposeA, transposeB } = attrs as { transposeA: boolean; transposeB: boolean };
    const rank = a.shape.length;
    if (!float(a, b) || rank < 2 || b.shape.length !== rank || sizeOf(a) === 0 || sizeOf(b) === 0) return null;
    const [batchA, batchB] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
    const one = (batch: readonly number[]): boolean => batch.every((n) => n === 1);
    if (!one(batchA) && !one(batchB) && !util.arraysEqual(batchA, batchB)) return null;
    const sides = [...a.shape.slice(-2), b.shape.at(transposeB ? -2 : -1)!];
    if (Math.min(...sides) > SHORT_SIDE) return null;
    const bools = { transpose_a: transposeA, transpose_b: transposeB };
    return run(backend, "SemisegMatMul", [a, b], 1, { bools })[0]!;
  });
  register(FUSED_LINEAR, ({ inputs, backend }) => {
    const { x, weight, bias } = inputs as Record<string, TensorInfo | undefined>;
    const ints = { biases: bias ? 1 : 0 };
    return run(backend, "SemisegLinear", [x!, weight!, ...(bias ? [bias] : [])], 1, { ints })[0]!;
  });
  register(FUSED_LINEAR_GRAD, ({ inputs, backend }) => {
    const { dy, x, weight } = inputs as Record<string, TensorInfo>;
    return run(backend, "SemisegLinearGradient", [dy!, x!, weight!], 3);
  });
}

/** [d, h, w] of windows that tile `x` exactly, or null. */
function tiles(x: TensorInfo, attrs: Attrs): readonly number[] | null {
  const { filterSize, strides, pad } = attrs as {
    filterSize: number | number[];
    strides: number | number[];
    pad: unknown;
  };
  const dims = x.shape.length - 2;
  if (!float(x) || (dims !== 2 && dims !== 3) || (pad !== "same" && pad !== "valid" && pad !== 0)) return null;
  const perAxis = (n: number | number[]): number[] => (typeof n === "number" ? Array<number>(dims).fill(n) : n);
  const window = perAxis(filterSize);
  const fits = window.every((n, i) => n === perAxis(strides)[i] && x.shape[i + 1]! % n === 0);
  if (!fits || sizeOf(x) === 0 || window.reduce((a, b) => a * b, 1) > 64) return null;
  return dims === 2 ? [1, ...window] : window;
}

function replacePooling(): void {
  for (const suffix of ["", "3D"]) {
    replace(`MaxPool${suffix}`, ({ inputs, attrs, backend }) => {
      const { x } = inputs as Record<"x", TensorInfo>;
      const window = tiles(x, attrs);
      return window && run(backend, "SemisegMaxPool", [x], 1, { ints: { window } })[0]!;
    });
    replace(`MaxPool${suffix}Grad`, ({ inputs, attrs, backend }) => {
      const { dy, input } = inputs as Record<"dy" | "input", TensorInfo>;
      const window = tiles(input, attrs);
      return window && run(backend, "SemisegMaxPoolGradient", [dy, input], 1, { ints: { window } })[0]!;
    });
  }
}

/** Codes of `ResizeRule` in native/kernels.h. */
const RESIZE_RULES = ["linear", "aligned", "area"] as const;

function registerResizing(): void {
  const attributes = (attrs: Attrs) => {
    const { shape, rule } = attrs as unknown as FusedResizeAttrs;
    return { ints: { shape, rule: RESIZE_RULES.indexOf(rule) } };
  };
  register(
    FUSED_RESIZE,
    ({ inputs, attrs, backend }) => run(backend, "SemisegResize", [inputs["x"]!], 1, attributes(attrs))[0]!,
  );
  register(
    FUSED_RESIZE_GRAD,
    ({ inputs, attrs, backend }) => run(backend, "SemisegResizeGradient", [inputs["dy"]!], 1, attributes(attrs))[0]!,
  );
}

let registered = false;

/** Puts our own operators behind tfjs's kernels of the `tensorflow` backend, once; they must have been loaded. */
export function registerNativeKernels(): void {
  if (registered) return;
  registered = true;
  replaceConvolutions();
  replaceElementwise();
  replaceProducts();
  replacePooling();
  replaceSumGradients();
  registerNorms();
  registerUpdates();
  registerLossSums();
  registerResizing();
}
