import { execFileSync } from "node:child_process";
import {
  FUSED_ADAMW,
  FUSED_EMA,
  FUSED_NORM,
  FUSED_NORM_GRAD,
  FUSED_SEGMENTATION_SUMS,
  FUSED_SEGMENTATION_SUMS_GRAD,
  FUSED_SGD,
  RELU_GRAD,
} from "@semiseg/kernels";
import { initBackend, loadNative } from "@semiseg/runtime";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";

beforeAll(async () => {
  const { engine } = await initBackend({ prefer: "tensorflow" });
  expect(engine).toBe("TensorFlow with SemiSeg operators");
});

const values = (shape: readonly number[], seed: number): Float32Array => {
  const n = shape.reduce((a, b) => a * b, 1);
  return Float32Array.from(
    { length: n },
    (_, i) => Math.sin(i * 12.9898 + seed * 78.233) + 0.3 * Math.cos(i * 0.37 * seed),
  );
};

const worst = (actual: ArrayLike<number>, expected: ArrayLike<number>): number => {
  expect(actual.length).toBe(expected.length);
  let [error, scale] = [0, 1e-6];
  for (let i = 0; i < expected.length; i++) {
    error = Math.max(error, Math.abs(actual[i]! - expected[i]!));
    scale = Math.max(scale, Math.abs(expected[i]!));
  }
  return error / scale;
};

type Three = readonly [number, number, number];

/** The definition, in float64: no cleverness to share a mistake with. */
function convolution(
  x: Float32Array,
  xs: readonly number[],
  f: Float32Array,
  fs: readonly number[],
  stride: number,
  pad: Three,
  out: Three,
) {
  const [n, d, h, w, ci] = xs as [number, number, number, number, number];
  const [kd, kh, kw, , co] = fs as [number, number, number, number, number];
  const y = new Float64Array(n * out[0] * out[1] * out[2] * co);
  const visit = (body: (xi: number, fi: number, yi: number) => void) => {
    for (let b = 0; b < n; b++)
      for (let z = 0; z < out[0]; z++)
        for (let r = 0; r < out[1]; r++)
          for (let c = 0; c < out[2]; c++)
            for (let i = 0; i < kd; i++)
              for (let j = 0; j < kh; j++)
                for (let k = 0; k < kw; k++) {
                  const [iz, ir, ic] = [z * stride + i - pad[0], r * stride + j - pad[1], c * stride + k - pad[2]];
                  if (iz < 0 || ir < 0 || ic < 0 || iz >= d || ir >= h || ic >= w) continue;
                  const at = (((b * d + iz) * h + ir) * w + ic) * ci;
                  const to = (((b * out[0] + z) * out[1] + r) * out[2] + c) * co;
                  const tap = ((i * kh + j) * kw + k) * ci * co;
                  for (let p = 0; p < ci; p++) for (let q = 0; q < co; q++) body(at + p, tap + p * co + q, to + q);
                }
  };
  visit((xi, fi, yi) => {
    y[yi]! += x[xi]! * f[fi]!;
  });
  return { y, visit };
}

const CASES: readonly [string, number[], number[], number, "same" | "valid"][] = [
  ["3x3x3, 16 to 16 channels", [2, 5, 6, 20, 16], [3, 3, 3, 16, 16], 1, "same"],
  ["3x3x3, one channel in", [2, 4, 5, 19, 1], [3, 3, 3, 1, 16], 1, "same"],
  ["3x3x3, one channel in, many out", [1, 3, 4, 9, 1], [3, 3, 3, 1, 40], 1, "same"],
  ["3x3x3, 8 channels", [1, 5, 6, 7, 8], [3, 3, 3, 8, 8], 1, "same"],
  ["3x3x3, channels that fill no vector", [1, 3, 4, 5, 5], [3, 3, 3, 5, 7], 1, "same"],
  ["3x3x3, narrow map, many channels", [2, 3, 4, 4, 48], [3, 3, 3, 48, 80], 1, "same"],
  ["3x3x3, three voxels wide", [1, 3, 3, 3, 32], [3, 3, 3, 32, 64], 1, "same"],
  ["3x3x3, a map smaller than the filter", [1, 1, 2, 1, 4], [3, 3, 3, 4, 4], 1, "same"],
  ["3x3x3, tiles over odd sizes", [1, 6, 7, 9, 32], [3, 3, 3, 32, 48], 1, "same"],
  ["3x3x3, 64 to 160 channels", [1, 2, 8, 9, 64], [3, 3, 3, 64, 160], 1, "same"],
  ["3x3x3, several chunks of rows and depths", [1, 20, 14, 44, 16], [3, 3, 3, 16, 16], 1, "same"],
  ["3x3x3 valid, 16 channels", [1, 5, 6, 9, 16], [3, 3, 3, 16, 32], 1, "valid"],
  ["3x3x3 valid", [1, 5, 5, 8, 4], [3, 3, 3, 4, 12], 1, "valid"],
  ["3x3x3 stride 2", [1, 6, 7, 9, 4], [3, 3, 3, 4, 6], 2, "same"],
  ["2x2x2 stride 2", [2, 6, 4, 12, 16], [2, 2, 2, 16, 32], 2, "same"],
  ["2x2x2 stride 2, 8 to 16 channels", [1, 4, 4, 8, 8], [2, 2, 2, 8, 16], 2, "valid"],
  ["2x2x2 stride 2 valid on odd sizes", [1, 5, 7, 9, 8], [2, 2, 2, 8, 16], 2, "valid"],
  ["2x2x2 stride 2 same on odd sizes", [1, 5, 7, 9, 8], [2, 2, 2, 8, 16], 2, "same"],
  ["1x1x1 to two classes", [2, 3, 4, 17, 16], [1, 1, 1, 16, 2], 1, "same"],
  ["1x1x1 wide", [1, 2, 3, 5, 24], [1, 1, 1, 24, 72], 1, "same"],
  ["5x3x1", [1, 6, 5, 9, 6], [5, 3, 1, 6, 10], 1, "same"],
];

describe("native convolutions equal the definition in float64 within 4e-6 of the largest value (one rounding per multiply-add, two without FMA)", () => {
  for (const [name, xs, fs, stride, pad] of CASES)
    it(name, () => {
      const info = tf.backend_util.computeConv3DInfo(xs as never, fs as never, stride, 1, pad);
      const out: Three = [info.outDepth, info.outHeight, info.outWidth];
      const padding: Three = [info.padInfo.front, info.padInfo.top, info.padInfo.left];
      const [x, f] = [values(xs, 1), values(fs, 2)];
      const { y, visit } = convolution(x, xs, f, fs, stride, padding, out);
      const g = values([y.length], 3);
      const [dx, df] = [new Float64Array(x.length), new Float64Array(f.length)];
      visit((xi, fi, yi) => {
        dx[xi]! += g[yi]! * f[fi]!;
        df[fi]! += g[yi]! * x[xi]!;
      });
      const shape = [xs[0]!, ...out, fs[4]!];
      const run = (a: tf.Tensor, b: tf.Tensor) => tf.conv3d(a as tf.Tensor5D, b as tf.Tensor5D, stride, pad);
      const [xt, ft] = [tf.tensor(x, xs), tf.tensor(f, fs)];
      const gradients = tf.grads((a: tf.Tensor, b: tf.Tensor) => tf.sum(tf.mul(run(a, b), tf.tensor(g, shape))))([
        xt,
        ft,
      ]);
      expect(worst(run(xt, ft).dataSync(), y), "forward").toBeLessThan(4e-6);
      expect(worst(gradients[0]!.dataSync(), dx), "input gradient").toBeLessThan(4e-6);
      expect(worst(gradients[1]!.dataSync(), df), "filter gradient").toBeLessThan(4e-6);
    });

  it("with 128 channels the largest error stays below 8 roundings of the largest sum of magnitudes: what cancels in a result does not cancel in Winograd's sums, which mix neighbours", () => {
    const [xs, fs] = [
      [1, 4, 6, 8, 128],
      [3, 3, 3, 128, 128],
    ];
    const [x, f, g] = [values(xs, 1), values(fs, 2), values(xs, 3)];
    const { y, visit } = convolution(x, xs, f, fs, 1, [1, 1, 1], [4, 6, 8]);
    const exact = { y, dx: new Float64Array(x.length), df: new Float64Array(f.length) };
    const magnitude = {
      y: new Float64Array(y.length),
      dx: new Float64Array(x.length),
      df: new Float64Array(f.length),
    };
    visit((xi, fi, yi) => {
      exact.dx[xi]! += g[yi]! * f[fi]!;
      exact.df[fi]! += g[yi]! * x[xi]!;
      magnitude.y[yi]! += Math.abs(x[xi]! * f[fi]!);
      magnitude.dx[xi]! += Math.abs(g[yi]! * f[fi]!);
      magnitude.df[fi]! += Math.abs(g[yi]! * x[xi]!);
    });
    const [xt, ft] = [tf.tensor(x, xs), tf.tensor(f, fs)];
    const run = (a: tf.Tensor, b: tf.Tensor) => tf.conv3d(a as tf.Tensor5D, b as tf.Tensor5D, 1, "same");
    const [dx, df] = tf.grads((a: tf.Tensor, b: tf.Tensor) => tf.sum(tf.mul(run(a, b), tf.tensor(g, xs))))([xt, ft]);
    const actual = { y: run(xt, ft).dataSync(), dx: dx!.dataSync(), df: df!.dataSync() };
    for (const name of ["y", "dx", "df"] as const) {
      const scale = magnitude[name].reduce((a, b) => Math.max(a, b), 0);
      const error = exact[name].reduce((a, b, i) => Math.max(a, Math.abs(actual[name][i]! - b)), 0);
      expect(error / scale / 2 ** -24, name).toBeLessThan(8);
    }
  });

  it("every instruction set gives the same, forced by SEMISEG_NATIVE_OPS in processes of their own", () => {
    if (process.env["SEMISEG_NATIVE_OPS"]) return;
    for (const set of ["avx2", "portable"])
      execFileSync(
        process.execPath,
        [
          "node_modules/vitest/vitest.mjs",
          "run",
          "packages/runtime/test/native-kernels.test.ts",
          "packages/runtime/test/native-elementwise.test.ts",
          "packages/runtime/test/native-matmul.test.ts",
          "packages/runtime/test/native-resize-pool.test.ts",
        ],
        {
          env: { ...process.env, SEMISEG_NATIVE_OPS: set },
          stdio: "pipe",
        },
      );
  }, 300_000);

  it("is the same twice, bit for bit", () => {
    const [x, f] = [
      tf.tensor(values([2, 9, 9, 9, 16], 1), [2, 9, 9, 9, 16]),
      tf.tensor(values([3, 3, 3, 16, 16], 2), [3, 3, 3, 16, 16]),
    ];
    const once = () =>
      tf
        .grads((a: tf.Tensor, b: tf.Tensor) =>
          tf.mean(tf.square(tf.conv3d(a as tf.Tensor5D, b as tf.Tensor5D, 1, "same"))),
        )([x, f])
        .map((t) => t.dataSync());
    expect(once()).toEqual(once());
  });
});

const kernel = (name: string, inputs: Record<string, tf.Tensor>, attrs: object = {}): tf.Tensor[] =>
  [tf.engine().runKernel(name, inputs, attrs as tf.NamedAttrMap)].flat() as unknown as tf.Tensor[];

describe("fused normalisation", () => {
  for (const [name, shape, groups] of [
    ["batch, 16 channels", [2, 3, 4, 5, 16], 0],
    ["batch, 8 channels, odd count", [1, 3, 3, 3, 8], 0],
    ["batch, 3 channels", [2, 5, 7, 3], 0],
    ["batch, 40 channels", [2, 4, 4, 4, 40], 0],
    ["group", [2, 3, 4, 5, 16], 4],
    ["instance", [2, 3, 4, 5, 6], 6],
    ["layer", [2, 3, 4, 5, 6], 1],
    ["rows of 5", [97, 1, 5], 1],
    ["rows of 21", [700, 1, 21], 1],
    ["rows of 64", [300, 1, 64], 1],
  ] as [string, number[], number][])
    it(`${name}: values, statistics and gradients equal the composed ops, with and without ReLU`, () => {
      const c = shape.at(-1)!;
      const x = tf.tensor(
        values(shape, 1).map((v) => v * 2 + 5),
        shape,
      );
      const [gamma, beta] = [tf.tensor1d(values([c], 2)), tf.tensor1d(values([c], 3))];
      const dy = tf.tensor(values(shape, 4), shape);
      for (const relu of [false, true]) {
        const attrs = { groups, epsilon: 1e-5, relu };
        const composed = (a: tf.Tensor, g: tf.Tensor, b: tf.Tensor): tf.Tensor => {
          const n = shape[0]!;
          const rows = a.size / (n * c);
          const view = groups ? tf.reshape(a, [n, rows, groups, c / groups]) : tf.reshape(a, [n * rows, 1, c, 1]);
          const axes = groups ? [1, 3] : [0];
          const { mean, variance } = tf.moments(view, axes, true);
          const y = tf.reshape(tf.div(tf.sub(view, mean), tf.sqrt(tf.add(variance, 1e-5))), shape);
          const out = tf.add(tf.mul(y, g), b);
          return relu ? tf.relu(out) : out;
        };
        const [y, mean, inverseStd] = kernel(FUSED_NORM, { x, gamma, beta }, attrs) as [
          tf.Tensor,
          tf.Tensor,
          tf.Tensor,
        ];
        expect(worst(y.dataSync(), composed(x, gamma, beta).dataSync())).toBeLessThan(1e-5);
        expect(mean.shape).toEqual(groups ? [shape[0], groups] : [c]);
        const expected = tf.grads((a: tf.Tensor, g: tf.Tensor, b: tf.Tensor) => tf.sum(tf.mul(composed(a, g, b), dy)))([
          x,
          gamma,
          beta,
        ]);
        const actual = kernel(FUSED_NORM_GRAD, { dy, x, gamma, beta, mean, inverseStd }, attrs);
        for (const [i, e] of expected.entries())
          expect(worst(actual[i]!.dataSync(), e.dataSync()), `gradient ${i}`).toBeLessThan(5e-5);
      }
    });

  it("keeps the variance of values far from zero, where E[x^2] - E[x]^2 fails", () => {
    const shape = [1, 4, 4, 4, 16];
    const x = tf.tensor(
      values(shape, 1).map((v) => 1000 + 0.01 * v),
      shape,
    );
    const [, , inverse] = kernel(
      FUSED_NORM,
      { x, gamma: tf.ones([16]), beta: tf.zeros([16]) },
      { groups: 0, epsilon: 1e-5, relu: false },
    );
    const data = x.dataSync();
    for (let c = 0; c < 16; c++) {
      const channel = Array.from({ length: 64 }, (_, r) => data[r * 16 + c]!);
      const mean = channel.reduce((a, b) => a + b) / 64;
      const variance = channel.reduce((a, b) => a + (b - mean) ** 2, 0) / 64;
      expect(inverse!.dataSync()[c]! * Math.sqrt(variance + 1e-5)).toBeCloseTo(1, 3);
    }
  });

  it("lets NaN through its ReLU", () => {
    const x = tf.tensor([1, Number.NaN, 2, 3], [1, 2, 1, 2]);
    const [y] = kernel(
      FUSED_NORM,
      { x, gamma: tf.ones([2]), beta: tf.zeros([2]) },
      { groups: 0, epsilon: 1e-5, relu: true },
    );
    expect(Number.isNaN(y!.dataSync()[1])).toBe(true);
  });
});

describe("fused updates", () => {
  const three = (seed: number) => [tf.tensor(values([7], seed), [7]), tf.tensor(values([20000], seed + 1), [20000])];
  it("SGD equals its definition, with and without Nesterov", () => {
    for (const nesterov of [false, true]) {
      const [w, g, v] = [three(1), three(3), three(5)] as [tf.Tensor[], tf.Tensor[], tf.Tensor[]];
      const inputs = Object.fromEntries(
        [0, 1].flatMap((i) => [
          [`variable${i}`, w[i]!],
          [`gradient${i}`, g[i]!],
          [`velocity${i}`, v[i]!],
        ]),
      );
      const out = kernel(FUSED_SGD, inputs, {
        count: 2,
        learningRate: 0.1,
        momentum: 0.9,
        weightDecay: 0.01,
        nesterov,
      });
      for (const i of [0, 1]) {
        const gradient = tf.add(g[i]!, tf.mul(w[i]!, 0.01));
        const velocity = tf.add(tf.mul(v[i]!, 0.9), gradient);
        const step = nesterov ? tf.add(gradient, tf.mul(velocity, 0.9)) : velocity;
        expect(worst(out[i]!.dataSync(), tf.sub(w[i]!, tf.mul(step, 0.1)).dataSync())).toBeLessThan(1e-6);
        expect(worst(out[2 + i]!.dataSync(), velocity.dataSync())).toBeLessThan(1e-6);
      }
    }
  });

  it("AdamW equals its definition", () => {
    const [w, g, m, v] = [values([9], 1), values([9], 2), values([9], 3), values([9], 4).map(Math.abs)];
    const inputs = {
      variable0: tf.tensor1d(w),
      gradient0: tf.tensor1d(g),
      first0: tf.tensor1d(m),
      second0: tf.tensor1d(v),
    };
    const attrs = {
      count: 1,
      learningRate: 0.01,
      beta1: 0.9,
      beta2: 0.99,
      epsilon: 1e-8,
      weightDecay: 0.1,
      step: 3,
    };
    const [out] = kernel(FUSED_ADAMW, inputs, attrs);
    const expected = w.map((x, i) => {
      const [first, second] = [0.9 * m[i]! + 0.1 * g[i]!, 0.99 * v[i]! + 0.01 * g[i]! ** 2];
      return x * (1 - 0.001) - (0.01 * (first / (1 - 0.9 ** 3))) / (Math.sqrt(second / (1 - 0.99 ** 3)) + 1e-8);
    });
    expect(worst(out!.dataSync(), expected)).toBeLessThan(1e-5);
  });

  it("EMA and the ReLU gradient equal their definitions", () => {
    const [a, b] = [tf.tensor1d(values([5], 1)), tf.tensor1d(values([5], 2))];
    const [e] = kernel(FUSED_EMA, { target0: a, source0: b }, { count: 1, decay: 0.75 });
    expect(worst(e!.dataSync(), tf.add(tf.mul(a, 0.75), tf.mul(b, 0.25)).dataSync())).toBeLessThan(1e-6);
    const [leaky] = kernel(RELU_GRAD, { dy: a, y: tf.leakyRelu(b, 0.01) }, { slope: 0.01 });
    expect(worst(leaky!.dataSync(), tf.mul(a, tf.step(b, 0.01)).dataSync())).toBeLessThan(1e-6);
    const [g] = kernel(RELU_GRAD, { dy: a, y: tf.relu(b) });
    expect(g!.dataSync()).toEqual(tf.mul(a, tf.step(b)).dataSync());
  });
});

describe("segmentation sums", () => {
  for (const classes of [2, 3, 5])
    it(`${classes} classes: sums and gradient equal the composed ops`, () => {
      const shape = [2, 3, 5, 37, classes];
      const logits = tf.mul(tf.tensor(values(shape, 1), shape), 4);
      const labels = tf.tensor(
        Int32Array.from({ length: logits.size / classes }, (_, i) => (i * 7) % classes),
        shape.slice(0, -1),
        "int32",
      );
      const onehot = tf.cast(tf.oneHot(labels, classes), "float32");
      const axes = [0, 1, 2, 3];
      const composed = (z: tf.Tensor): tf.Tensor[] => {
        const p = tf.softmax(z);
        return [
          tf.neg(tf.sum(tf.mul(onehot, tf.logSoftmax(z)))),
          tf.sum(tf.mul(p, onehot), axes),
          tf.sum(tf.square(p), axes),
          tf.sum(p, axes),
        ];
      };
      const sums = kernel(FUSED_SEGMENTATION_SUMS, { logits, labels });
      for (const [i, e] of composed(logits).entries())
        expect(worst(sums[i]!.dataSync(), e.dataSync()), `sum ${i}`).toBeLessThan(5e-6);
      expect(sums[4]!.dataSync()).toEqual(tf.sum(onehot, axes).dataSync());
      const [dc, di, dq, ds] = [
        tf.scalar(0.7),
        tf.tensor1d(values([classes], 3)),
        tf.tensor1d(values([classes], 4)),
        tf.tensor1d(values([classes], 5)),
      ];
      const expected = tf.grad((z: tf.Tensor) => {
        const [c, i, q, s] = composed(z) as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
        return tf.addN([tf.mul(c, dc), tf.sum(tf.mul(i, di)), tf.sum(tf.mul(q, dq)), tf.sum(tf.mul(s, ds))]);
      })(logits);
      const [actual] = kernel(FUSED_SEGMENTATION_SUMS_GRAD, {
        logits,
        labels,
        dCrossEntropy: dc,
        dIntersection: di,
        dSquares: dq,
        dSums: ds,
      });
      expect(worst(actual!.dataSync(), expected.dataSync())).toBeLessThan(5e-6);
    });

  it("is finite for extreme logits and refuses labels outside the classes", () => {
    const logits = tf.tensor([500, -500, -500, 500], [1, 2, 1, 2]);
    const sums = kernel(FUSED_SEGMENTATION_SUMS, { logits, labels: tf.tensor([0, 0], [1, 2, 1], "int32") });
    expect(sums[0]!.dataSync()[0]).toBeCloseTo(1000, 2);
    expect(() => kernel(FUSED_SEGMENTATION_SUMS, { logits, labels: tf.tensor([0, 2], [1, 2, 1], "int32") })).toThrow(
      "outside 0..1",
    );
  });
});

describe("the engine", () => {
  it("says which variant it is and loads once", () => {
    expect(loadNative("cpu")).toBe(loadNative("cpu"));
    expect(loadNative("cpu")).toMatchObject({ variant: "cpu", operators: true, gpu: false, version: "2.21.0" });
  });
});
