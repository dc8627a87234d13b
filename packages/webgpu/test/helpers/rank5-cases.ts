import * as tf from "@tensorflow/tfjs-core";

/** Fixed values with every sign and no ties. */
export const values = (shape: number[], seed = 1): tf.Tensor =>
  tf.tidy(() => {
    const n = shape.reduce((a, b) => a * b, 1);
    return tf.tensor(
      Float32Array.from({ length: n }, (_, i) => Math.sin(i * 12.9898 + seed * 78.233) * 2 + ((i * 7) % 11) * 0.05),
      shape,
    );
  });

export interface Case {
  readonly name: string;
  readonly inputs: readonly number[][];
  readonly f: (...xs: tf.Tensor[]) => tf.Tensor;
  /** Ops without a gradient in tfjs are compared forward only. */
  readonly forwardOnly?: boolean;
}

const S = [2, 3, 4, 5, 6];
const binary = (name: string, f: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor): Case[] => [
  { name: `${name} with a [C] operand`, inputs: [S, [6]], f },
  { name: `${name} of two rank-5 tensors`, inputs: [S, S], f },
  { name: `${name} with a [1,1,1,1,C] operand first`, inputs: [[1, 1, 1, 1, 6], S], f },
];
const unary = (name: string, f: (x: tf.Tensor) => tf.Tensor, forwardOnly = false): Case => ({
  name: `${name} of a rank-5 tensor`,
  inputs: [S],
  f,
  forwardOnly,
});
const conv = (name: string, x: number[], w: number[], strides: number, pad: "same" | "valid"): Case => ({
  name,
  inputs: [x, w],
  f: (a, b) => tf.conv3d(a as tf.Tensor5D, b as tf.Tensor5D, strides, pad),
});

export const CASES: readonly Case[] = [
  ...binary("add", tf.add),
  ...binary("sub", tf.sub),
  ...binary("mul", tf.mul),
  ...binary("div", (a, b) => tf.div(a, tf.add(tf.abs(b), 1))),
  ...binary("maximum", tf.maximum),
  ...binary("minimum", tf.minimum),
  ...binary("squaredDifference", tf.squaredDifference),
  {
    name: "greater with a [C] operand",
    inputs: [S, [6]],
    f: (a, b) => tf.cast(tf.greater(a, b), "float32"),
    forwardOnly: true,
  },
  {
    name: "equal with a [C] operand",
    inputs: [S, [6]],
    f: (a, b) => tf.cast(tf.equal(tf.round(a), tf.round(b)), "float32"),
    forwardOnly: true,
  },
  unary("relu", tf.relu),
  unary("leakyRelu", (x) => tf.leakyRelu(x, 0.01)),
  unary("elu", tf.elu),
  unary("sigmoid", tf.sigmoid),
  unary("tanh", tf.tanh),
  unary("exp", tf.exp),
  unary("log", (x) => tf.log(tf.add(tf.abs(x), 1))),
  unary("sqrt", (x) => tf.sqrt(tf.add(tf.square(x), 1))),
  unary("erf", tf.erf),
  unary("clipByValue", (x) => tf.clipByValue(x, -1, 1)),
  unary("softmax", (x) => tf.softmax(x)),
  unary("logSoftmax", (x) => tf.logSoftmax(x)),
  unary("sum over space", (x) => tf.sum(x, [1, 2, 3])),
  unary("mean over batch and space", (x) => tf.mean(x, [0, 1, 2, 3])),
  unary("max over channels", (x) => tf.max(x, 4)),
  unary("argMax over channels", (x) => tf.cast(tf.argMax(x, 4), "float32"), true),
  unary("moments", (x) => tf.moments(x, [0, 1, 2, 3]).variance),
  unary("pad", (x) =>
    tf.pad(
      x,
      [
        [0, 0],
        [1, 2],
        [0, 1],
        [2, 0],
        [1, 1],
      ],
      0.5,
    ),
  ),
  unary(
    "mirrorPad reflect",
    (x) =>
      tf.mirrorPad(
        x,
        [
          [0, 0],
          [1, 1],
          [2, 1],
          [0, 2],
          [0, 0],
        ],
        "reflect",
      ),
    true,
  ),
  unary(
    "mirrorPad symmetric",
    (x) =>
      tf.mirrorPad(
        x,
        [
          [0, 0],
          [1, 1],
          [2, 1],
          [0, 2],
          [0, 0],
        ],
        "symmetric",
      ),
    true,
  ),
  unary("slice", (x) => tf.slice(x, [1, 0, 1, 2, 3], [1, 2, 3, 2, 2])),
  unary("stridedSlice", (x) => tf.stridedSlice(x, [0, 0, 3, 0, 5], [2, 3, -5, 5, -7], [1, 2, -1, 2, -2]), true),
  unary("reverse along space", (x) => tf.reverse(x, [1, 3])),
  {
    name: "reverse of int32, rank 3",
    inputs: [[3, 4, 5]],
    f: (x) => tf.cast(tf.reverse(tf.cast(x, "int32"), [0, 2]), "float32"),
    forwardOnly: true,
  },
  unary("cumsum along depth", (x) => tf.cumsum(x, 1)),
  unary("cumsum along channels, reversed and exclusive", (x) => tf.cumsum(x, 4, true, true)),
  unary("tile", (x) => tf.tile(x, [1, 2, 1, 3, 2])),
  { name: "broadcastTo from rank 5", inputs: [[2, 1, 4, 1, 6]], f: (x) => tf.broadcastTo(x, [2, 3, 4, 5, 6]) },
  { name: "broadcastTo from rank 1", inputs: [[6]], f: (x) => tf.broadcastTo(x, [2, 3, 4, 5, 6]) },
  { name: "where", inputs: [S, S], f: (a, b) => tf.where(tf.greater(values(S, 5), 0), a, b) },
  { name: "concat on channels", inputs: [S, [2, 3, 4, 5, 2]], f: (a, b) => tf.concat([a, b], 4) },
  { name: "concat on batch", inputs: [S, [1, 3, 4, 5, 6]], f: (a, b) => tf.concat([a, b], 0) },
  unary("split", (x) => tf.split(x, [2, 4], 4)[1]!),
  unary("transpose", (x) => tf.transpose(x, [0, 4, 2, 1, 3])),
  {
    name: "transpose of a mask that was a bool, rank 3",
    inputs: [[3, 4, 5]],
    f: (x) => tf.transpose(tf.cast(tf.greater(x, 0.4), "float32"), [0, 2, 1]),
    forwardOnly: true,
  },
  {
    name: "conv3d of a mask that was a bool",
    inputs: [
      [1, 4, 5, 6, 2],
      [3, 3, 3, 2, 5],
    ],
    f: (x, w) => tf.conv3d(tf.cast(tf.greater(x, 0.4), "float32") as tf.Tensor5D, w as tf.Tensor5D, 1, "same"),
    forwardOnly: true,
  },
  unary("gather on depth", (x) => tf.gather(x, tf.tensor1d([2, 0, 0], "int32"), 1)),
  unary("stack of unstack", (x) => tf.stack(tf.unstack(x, 1), 2).reshape([2, 4, 3, 5, 6])),
  unary("oneHot of argMax", (x) => tf.oneHot(tf.cast(tf.argMax(x, 4), "int32"), 6).cast("float32"), true),
  { name: "maxPool3d", inputs: [[1, 4, 4, 6, 3]], f: (x) => tf.maxPool3d(x as tf.Tensor5D, 2, 2, "valid") },
  { name: "avgPool3d", inputs: [[1, 4, 4, 6, 3]], f: (x) => tf.avgPool3d(x as tf.Tensor5D, 2, 2, "valid") },
  conv("conv3d 3x3x3 one channel in", [1, 4, 5, 6, 1], [3, 3, 3, 1, 8], 1, "same"),
  conv("conv3d 3x3x3 same", [2, 4, 5, 6, 4], [3, 3, 3, 4, 5], 1, "same"),
  conv("conv3d 3x3x3 valid", [1, 5, 5, 6, 5], [3, 3, 3, 5, 7], 1, "valid"),
  conv("conv3d 2x2x2 stride 2", [2, 4, 4, 6, 4], [2, 2, 2, 4, 8], 2, "same"),
  conv("conv3d 3x3x3 stride 2", [1, 6, 6, 6, 3], [3, 3, 3, 3, 4], 2, "same"),
  conv("conv3d 1x1x1", [2, 3, 4, 5, 16], [1, 1, 1, 16, 2], 1, "same"),
  {
    name: "conv3dTranspose 2x2x2 stride 2",
    inputs: [
      [1, 2, 3, 2, 4],
      [2, 2, 2, 3, 4],
    ],
    f: (x, w) => tf.conv3dTranspose(x as tf.Tensor5D, w as tf.Tensor5D, [1, 4, 6, 4, 3], 2, "same"),
  },
  {
    name: "conv3dTranspose 3x3x3 stride 2",
    inputs: [
      [1, 2, 3, 2, 4],
      [3, 3, 3, 3, 4],
    ],
    f: (x, w) => tf.conv3dTranspose(x as tf.Tensor5D, w as tf.Tensor5D, [1, 4, 6, 4, 3], 2, "same"),
  },
  {
    name: "batch norm composed, gamma and beta of shape [C]",
    inputs: [S, [6], [6]],
    f: (x, gamma, beta) => {
      const { mean, variance } = tf.moments(x, [0, 1, 2, 3], true);
      return tf.add(tf.mul(tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, 1e-5))), gamma!), beta!);
    },
  },
  ...[7, 9, 50, 57].map(
    (count): Case => ({
      name: `addN of ${count} tensors, more than a shader's storage buffers`,
      inputs: Array.from({ length: count }, () => [2, 3, 1, 2, 5]),
      f: (...xs) => tf.addN(xs),
    }),
  ),
  {
    name: "attention on tokens",
    inputs: [
      [2, 8, 6],
      [2, 8, 6],
    ],
    f: (q, k) => tf.matMul(tf.softmax(tf.matMul(q, k, false, true)), k),
  },
];

/** Values and gradients of a case on a backend. */
export async function evaluate(backend: string, { inputs, f, forwardOnly }: Case): Promise<Float32Array[]> {
  await tf.setBackend(backend);
  const xs = inputs.map((shape, i) => values(shape, i + 1));
  const outputs: tf.Tensor[] = [tf.tidy(() => f(...xs))];
  if (!forwardOnly) {
    const dy = values(outputs[0]!.shape, 9);
    outputs.push(...tf.grads((...ts: tf.Tensor[]) => tf.sum(tf.mul(f(...ts), dy)))(xs));
    dy.dispose();
  }
  const data = await Promise.all(outputs.map(async (t) => Float32Array.from(await t.data())));
  tf.dispose([xs, outputs]);
  return data;
}

/** Largest error of each output, relative to the largest expected value or 1. */
export function worstErrors(expected: readonly Float32Array[], actual: readonly Float32Array[]): number[] {
  return expected.map((want, k) => {
    const got = actual[k]!;
    if (got.length !== want.length) return Number.POSITIVE_INFINITY;
    const scale = want.reduce((most, v) => Math.max(most, Math.abs(v)), 1);
    // Math.max gives NaN where an error is NaN, and NaN is within no bound.
    return want.reduce((most, v, i) => Math.max(most, Math.abs(got[i]! - v)), 0) / scale;
  });
}
