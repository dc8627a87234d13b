import { backend } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import {
  CHECKS,
  type OperatorBinding,
  type OperatorCall,
  type RunOperator,
  runnerOf,
  selfCheck,
  TOLERANCE,
} from "../src/engine/cuda/self-check.js";
import { buildEmulator } from "./helpers/cuda-emulator.js";
import { onNativeEngine, sizeOf, values } from "./helpers/native-engine.js";

onNativeEngine();

let emulated: ReturnType<typeof buildEmulator>;
let native: RunOperator;
beforeAll(() => {
  emulated = buildEmulator();
  native = runnerOf((backend() as unknown as { binding: OperatorBinding }).binding);
}, 300_000);

/** Largest error, relative to the largest number or to `scale` where that is larger. */
const worst = (actual: ArrayLike<number>, expected: ArrayLike<number>, scale = 1e-6): number => {
  expect(actual.length).toBe(expected.length);
  let error = 0;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i]! - expected[i]!);
    // Math.max would drop NaN on some orders of arguments, and a comparison with it is false.
    if (Number.isNaN(difference)) return Number.POSITIVE_INFINITY;
    error = Math.max(error, difference);
    scale = Math.max(scale, Math.abs(expected[i]!));
  }
  return error / scale;
};

/**
 * Results of the emulator, which must be those of the CPU's operator, and the same bits in any order of threads. `scale` is
 * that of the first result's terms, where they may cancel.
 */
function compared(call: OperatorCall, tolerance: number, scale?: number): Float32Array[] {
  const actual = emulated(call);
  const expected = native(call);
  expect(actual.length).toBe(expected.length);
  for (const [i, numbers] of expected.entries())
    expect(worst(actual[i]!, numbers, i === 0 ? scale : undefined), `${call.op}, result ${i}`).toBeLessThan(tolerance);
  const again = emulated(call, true);
  for (const [i, numbers] of actual.entries())
    expect(Buffer.compare(Buffer.from(numbers.buffer), Buffer.from(again[i]!.buffer)), `bits of result ${i}`).toBe(0);
  return actual;
}

const tensor = (shape: readonly number[], seed: number, offset = 0, scale = 1) => ({
  shape,
  values: values(shape, seed).map((v) => offset + scale * v),
});

interface NormCall {
  readonly shape: readonly number[];
  readonly groups: number;
  readonly relu: boolean;
  readonly offset?: number;
  readonly scale?: number;
}

function normCall({ shape, groups, relu, offset = 5, scale = 2 }: NormCall): OperatorCall {
  const channels = shape.at(-1)!;
  return {
    op: "SemisegNorm",
    inputs: [tensor(shape, 1, offset, scale), tensor([channels], 2, 1.5), tensor([channels], 3)],
    attrs: { ints: { groups }, floats: { epsilon: 1e-5 }, bools: { relu } },
    outputs: 3,
  };
}

function gradientCall(forward: OperatorCall, mean: Float32Array, inverse: Float32Array): OperatorCall {
  const { shape } = forward.inputs[0]!;
  const groups = forward.attrs.ints!["groups"] as number;
  const statistics = groups > 0 ? [shape[0]!, groups] : [mean.length];
  return {
    ...forward,
    op: "SemisegNormGradient",
    inputs: [
      tensor(shape, 4),
      ...forward.inputs,
      { shape: statistics, values: mean },
      { shape: statistics, values: inverse },
    ],
  };
}

describe("the CUDA kernels, emulated, equal the CPU's operators and do not depend on the order of threads", () => {
  const shapes: [string, number[], number][] = [
    ...[1, 3, 16, 33, 256].flatMap((c): [string, number[], number][] => [
      [`batch norm, ${c} channels`, [2, 67, c], 0],
      [`instance norm, ${c} channels`, [2, 43, c], c],
      [`layer norm, ${c} channels`, [3, 7, c], -1],
    ]),
    ["group norm, groups of 4", [3, 5, 29, 16], 4],
    ["group norm, groups of 3", [2, 150, 33], 11],
    ["group norm, one group", [2, 70, 24], 1],
    ["group norm, more channels of a group than threads", [2, 70, 260], 1],
    ["group norm, more samples than threads", [300, 2, 4], 2],
    ["group norm of rows, one group", [37, 1, 40], 1],
    ["group norm of rows, two groups", [37, 1, 6], 2],
    ["batch norm, several parts", [2, 4001, 4], 0],
    ["batch norm, parts of one channel", [1, 9001, 1], 0],
    ["batch norm, more packs than threads", [1, 9, 1028], 0],
    ["batch norm, more channels than threads", [1, 9, 259], 0],
    ["layer norm, more channels than threads take at once", [2, 1, 1300], -1],
  ];
  for (const [name, shape, groups] of shapes)
    it(name, () => {
      for (const relu of [false, true]) {
        const forward = normCall({ shape, groups, relu });
        const [, mean, inverse] = compared(forward, 1e-5);
        const gradient = gradientCall(forward, mean!, inverse!);
        const largest = [inverse!, gradient.inputs[0]!.values, forward.inputs[1]!.values].map((numbers) =>
          Array.from(numbers).reduce((a, b) => Math.max(a, Math.abs(b)), 0),
        );
        compared(gradient, 5e-5, largest[0]! * largest[1]! * largest[2]!);
      }
    });

  it("ReLU gradient, with and without a slope, in packs and not", () => {
    for (const n of [1, 255, 4096, 33_000])
      for (const slope of [0, 0.01])
        compared(
          {
            op: "SemisegReluGradient",
            inputs: [tensor([n], 1), tensor([n], 2)],
            attrs: { floats: { slope } },
            outputs: 1,
          },
          1e-7,
        );
  });

  it("GELU and its gradient", () => {
    for (const n of [1, 4096, 5001]) {
      const [dy, x] = [tensor([n], 1), tensor([n], 2, 0, 4)];
      compared({ op: "SemisegGelu", inputs: [x], attrs: {}, outputs: 1 }, 1e-6);
      compared({ op: "SemisegGeluGradient", inputs: [dy, x], attrs: {}, outputs: 1 }, 1e-6);
    }
  });

  it("updates of more arrays than one launch takes, one of several blocks, some empty", () => {
    for (const name of ["SGD", "AdamW", "EMA"] as const) for (const call of CHECKS[name]()) compared(call, 1e-6);
  });

  for (const classes of [1, 2, 3, 5, 14, 64])
    it(`segmentation sums and their gradient, ${classes} classes`, () => {
      const shape = [2, 3, 5, 103];
      const logits = tensor([...shape, classes], 1, 0, 4);
      const labels = { shape, values: Int32Array.from({ length: sizeOf(shape) }, (_, i) => (i * 7) % classes) };
      compared({ op: "SemisegSegmentationSums", inputs: [logits, labels], attrs: {}, outputs: 5 }, 2e-6);
      const slopes = [tensor([], 3), tensor([classes], 4), tensor([classes], 5), tensor([classes], 6)];
      compared(
        { op: "SemisegSegmentationSumsGradient", inputs: [logits, labels, ...slopes], attrs: {}, outputs: 1 },
        5e-6,
      );
    });
});

describe("the CUDA kernels, emulated", () => {
  it("pass the self-check that they go through on a device, in which errors are a tenth of what it allows", () => {
    expect([...selfCheck(emulated)]).toEqual([]);
    for (const calls of Object.values(CHECKS))
      for (const call of calls()) {
        const results = emulated(call);
        for (const [k, numbers] of call.expected.entries())
          if (numbers.length > 0)
            expect(worst(results[k]!, numbers), `${call.op}, result ${k}`).toBeLessThan(TOLERANCE / 10);
      }
  }, 300_000);

  it("keep mean and variance of values far from zero to the last digit of the mean", () => {
    for (const groups of [0, 4, 16, -1])
      for (const scale of [0.01, 1]) {
        const shape = [2, 150, 16];
        const call = normCall({ shape, groups, relu: false, offset: 1000, scale });
        const x = call.inputs[0]!.values;
        const [gamma, beta] = [call.inputs[1]!.values, call.inputs[2]!.values];
        const setOf = (i: number): number => {
          if (groups < 0) return Math.floor(i / 16);
          return groups === 0 ? i % 16 : Math.floor(i / 2400) * groups + Math.floor((i % 16) / (16 / groups));
        };
        const sets = Array.from({ length: groups < 0 ? 300 : groups === 0 ? 16 : 2 * groups }, () => [] as number[]);
        for (const [i, v] of x.entries()) sets[setOf(i)]!.push(v);
        const mean = sets.map((set) => set.reduce((a, b) => a + b, 0) / set.length);
        const inverse = sets.map((set, k) => {
          const variance = set.reduce((a, b) => a + (b - mean[k]!) ** 2, 0) / set.length;
          return 1 / Math.sqrt(variance + Math.fround(1e-5));
        });
        const [y, ownMean, ownInverse] = emulated(call) as [Float32Array, Float32Array, Float32Array];
        // Half a unit in the last place of 1000 is 2^-15.
        for (const [k, m] of mean.entries()) expect(Math.abs(ownMean[k]! - m)).toBeLessThanOrEqual(2 ** -15 * 1.01);
        expect(worst(ownInverse, inverse)).toBeLessThan(1e-5);
        // The mean's rounding is all that is lost of y.
        for (const [i, v] of x.entries()) {
          const [k, weight] = [setOf(i), gamma[i % 16]!];
          const exact = (v - mean[k]!) * inverse[k]! * weight + beta[i % 16]!;
          const lost = 2 ** -15 * 1.01 * inverse[k]! * Math.abs(weight);
          expect(Math.abs(y[i]! - exact)).toBeLessThan(lost + 1e-4);
        }
      }
  });

  it("sum more voxels than threads have parts for", () => {
    const voxels = 600_000;
    const logits = { shape: [1, voxels, 2], values: new Float32Array(2 * voxels) };
    const labels = { shape: [1, voxels], values: Int32Array.from({ length: voxels }, (_, i) => (i % 3 === 0 ? 1 : 0)) };
    const sums = emulated({ op: "SemisegSegmentationSums", inputs: [logits, labels], attrs: {}, outputs: 5 });
    expect(sums[0]![0]! / voxels).toBeCloseTo(Math.log(2), 5);
    expect(sums.slice(1).map((numbers) => [...numbers])).toEqual([
      [200_000, 100_000],
      [150_000, 150_000],
      [300_000, 300_000],
      [400_000, 200_000],
    ]);
  });

  it("are not led astray by an outlier in the first row, from which deviations are counted", () => {
    const rows = 1501;
    const call = normCall({ shape: [1, rows, 16], groups: 0, relu: false, offset: 0, scale: 1 });
    const x = call.inputs[0]!.values.fill(1e4, 0, 16);
    const [, ownMean, ownInverse] = emulated(call);
    for (let c = 0; c < 16; c++) {
      const channel = Array.from({ length: rows }, (_, r) => x[r * 16 + c]!);
      const mean = channel.reduce((a, b) => a + b) / rows;
      const deviation = Math.sqrt(channel.reduce((a, b) => a + (b - mean) ** 2, 0) / rows);
      // The spacing of float32 numbers at the outlier.
      expect(Math.abs(ownMean![c]! - mean)).toBeLessThan(2 ** -10);
      expect(Math.abs(ownInverse![c]! * deviation - 1)).toBeLessThan(1e-6);
    }
  });

  it("give of a single row beta, exactly", () => {
    const call = normCall({ shape: [1, 1, 8], groups: 0, relu: false });
    const [y, mean] = emulated(call);
    expect(y).toEqual(call.inputs[2]!.values);
    expect(mean).toEqual(call.inputs[0]!.values);
  });

  it("let NaN through the norm's ReLU, and no infinite gradient through a closed one", () => {
    const x = Float32Array.of(1, Number.NaN, 2, 3);
    const [y] = emulated({
      ...normCall({ shape: [1, 2, 2], groups: 0, relu: true }),
      inputs: [{ shape: [1, 2, 2], values: x }, tensor([2], 1, 2), tensor([2], 2)],
    });
    expect([...y!].map(Number.isNaN)).toEqual([false, true, false, true]);
    const [dx] = emulated({
      op: "SemisegReluGradient",
      inputs: [
        { shape: [2], values: Float32Array.of(Number.POSITIVE_INFINITY, 3) },
        { shape: [2], values: Float32Array.of(0, 1) },
      ],
      attrs: { floats: { slope: 0 } },
      outputs: 1,
    });
    expect([...dx!]).toEqual([0, 3]);
  });

  it("give parameters of an empty tensor the gradient 0", () => {
    for (const groups of [0, 2, -1]) {
      const forward = normCall({ shape: [0, 5, 4], groups, relu: true });
      const empty = new Float32Array(groups === 0 ? 4 : 0);
      const [, dGamma, dBeta] = emulated(gradientCall(forward, empty, empty));
      expect([...dGamma!, ...dBeta!]).toEqual(new Array(8).fill(0));
    }
  });

  it("are finite for extreme logits, and make a label outside the classes seen as NaN", () => {
    const sums = (labels: number[]) =>
      emulated({
        op: "SemisegSegmentationSums",
        inputs: [
          { shape: [1, 2, 2], values: Float32Array.of(500, -500, -500, 500) },
          { shape: [1, 2], values: Int32Array.from(labels) },
        ],
        attrs: {},
        outputs: 5,
      });
    expect(sums([0, 0])[0]![0]).toBeCloseTo(1000, 2);
    for (const label of [2, -1]) expect(sums([0, label])[0]![0]).toBeNaN();
    const [d] = emulated({
      op: "SemisegSegmentationSumsGradient",
      inputs: [
        { shape: [1, 2, 2], values: Float32Array.of(1, 2, 3, 4) },
        { shape: [1, 2], values: Int32Array.of(0, 2) },
        tensor([], 1),
        ...[2, 3, 4].map((seed) => tensor([2], seed)),
      ],
      attrs: {},
      outputs: 1,
    });
    expect([...d!].map(Number.isNaN)).toEqual([false, false, true, true]);
  });
});
