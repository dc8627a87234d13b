import { attributesOf, type TensorBinding, type TypedAttrs } from "../native/operator.js";

/** An operator of ours with given numbers. */
export interface OperatorCall {
  readonly op: string;
  readonly inputs: readonly { readonly shape: readonly number[]; readonly values: Float32Array | Int32Array }[];
  readonly attrs: TypedAttrs;
  readonly outputs: number;
}

/** A call, and its results to 64 bits. */
export interface CheckedCall extends OperatorCall {
  readonly expected: readonly ArrayLike<number>[];
}

/** Runs an operator, and returns its results when they are there. */
export type RunOperator = (call: OperatorCall) => ArrayLike<number>[];

/** What the binding offers for that, below tfjs: no backend has to be the current one. */
export interface OperatorBinding extends TensorBinding {
  readonly TF_FLOAT: number;
  readonly TF_INT32: number;
  tensorDataSync(id: number): ArrayLike<number>;
}

/** Runs operators on the binding's device. */
export function runnerOf(binding: OperatorBinding): RunOperator {
  return ({ op, inputs, attrs, outputs }) => {
    const ids: number[] = [];
    try {
      for (const { shape, values } of inputs) {
        const dtype = values instanceof Int32Array ? binding.TF_INT32 : binding.TF_FLOAT;
        ids.push(binding.createTensor([...shape], dtype, values));
      }
      const results = binding.executeOp(op, attributesOf(binding, attrs), ids, outputs).map(({ id }) => id);
      ids.push(...results);
      return results.map((id) => binding.tensorDataSync(id));
    } finally {
      for (const id of ids) binding.deleteTensor(id);
    }
  };
}

/** Numbers that look random, the same every time. */
const numbers = (n: number, seed: number, scale = 1, offset = 0): Float32Array =>
  Float32Array.from({ length: n }, (_, i) => offset + scale * Math.sin(i * 12.9898 + seed * 78.233));

const vector = (values: Float32Array | Int32Array) => ({ shape: [values.length], values });
const sum = (n: number, term: (i: number) => number): number => {
  let total = 0;
  for (let i = 0; i < n; i++) total += term(i);
  return total;
};

interface NormCase {
  readonly samples: number;
  readonly rows: number;
  readonly channels: number;
  /** As the operator's: 0 batch norm, -1 layer norm. */
  readonly groups: number;
  readonly relu: boolean;
  /** Of x: far from 0 the variance is lost where it is a difference of squares. */
  readonly offset?: number;
}

/** A norm and its gradient. */
function norm({ samples, rows, channels, groups, relu, offset = 0.5 }: NormCase): CheckedCall[] {
  const epsilon = 1e-3;
  const n = samples * rows * channels;
  const x = numbers(n, 1, 2, offset);
  // With a mean and a share of x: sums that cancel would be made of roundings.
  const dy = numbers(n, 2, 1, 0.4).map((v, i) => v + 0.25 * (x[i]! - offset));
  const [gamma, beta] = [numbers(channels, 3, 0.5, 1), numbers(channels, 4, 0.3)];
  const sets = groups > 0 ? samples * groups : groups === 0 ? channels : samples * rows;
  const setOf = (i: number): number => {
    const [row, c] = [Math.floor(i / channels), i % channels];
    if (groups <= 0) return groups === 0 ? c : row;
    return Math.floor(row / rows) * groups + Math.floor(c / (channels / groups));
  };
  const setSums = (term: (i: number) => number): Float64Array => {
    const sums = new Float64Array(sets);
    for (let i = 0; i < n; i++) sums[setOf(i)]! += term(i);
    return sums;
  };
  const size = n / sets;
  const mean = setSums((i) => x[i]!).map((s) => s / size);
  const inverse = setSums((i) => (x[i]! - mean[setOf(i)]!) ** 2).map((s) => 1 / Math.sqrt(s / size + epsilon));
  const affine = (v: number, i: number): number => v * gamma[i % channels]! + beta[i % channels]!;
  const y = Float64Array.from(x, (v, i) => affine((v - mean[setOf(i)]!) * inverse[setOf(i)]!, i));
  // The gradient is given statistics that were rounded.
  const [givenMean, givenInverse] = [Float32Array.from(mean), Float32Array.from(inverse)];
  const normal = Float64Array.from(x, (v, i) => (v - givenMean[setOf(i)]!) * givenInverse[setOf(i)]!);
  const g = Float64Array.from(dy, (v, i) => (relu && !(affine(normal[i]!, i) > 0) ? 0 : v));
  const [first, second] = [
    setSums((i) => g[i]! * gamma[i % channels]!),
    setSums((i) => g[i]! * gamma[i % channels]! * normal[i]!),
  ];
  const dx = g.map((v, i) => {
    const set = setOf(i);
    return givenInverse[set]! * (v * gamma[i % channels]! - first[set]! / size - (normal[i]! * second[set]!) / size);
  });
  const channelSums = (term: (i: number) => number) =>
    Float64Array.from({ length: channels }, (_, c) => sum(samples * rows, (r) => term(r * channels + c)));
  const attrs = { ints: { groups }, floats: { epsilon }, bools: { relu } };
  const tensor = (values: Float32Array) => ({ shape: [samples, rows, channels], values });
  const statistics = (values: Float32Array) => ({ shape: groups > 0 ? [samples, groups] : [sets], values });
  const parameters = [vector(gamma), vector(beta)];
  return [
    {
      op: "SemisegNorm",
      inputs: [tensor(x), ...parameters],
      attrs,
      outputs: 3,
      expected: [relu ? y.map((v) => Math.max(v, 0)) : y, mean, inverse],
    },
    {
      op: "SemisegNormGradient",
      inputs: [tensor(dy), tensor(x), ...parameters, statistics(givenMean), statistics(givenInverse)],
      attrs,
      outputs: 3,
      expected: [dx, channelSums((i) => g[i]! * normal[i]!), channelSums((i) => g[i]!)],
    },
  ];
}

function reluGradient(n: number, slope: number): CheckedCall {
  const [dy, y] = [numbers(n, 1), numbers(n, 2)];
  const expected = [dy.map((v, i) => (y[i]! > 0 ? v : slope * v))];
  return {
    op: "SemisegReluGradient",
    inputs: [vector(dy), vector(y)],
    attrs: { floats: { slope } },
    outputs: 1,
    expected,
  };
}

/** Error function by its series, which is exact to 1e-12 for the numbers here, below 4. */
function erf(x: number): number {
  let [term, total] = [x, x];
  for (let k = 1; k < 80; k++) {
    term *= (-x * x) / k;
    total += term / (2 * k + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * total;
}

function gelu(n: number): CheckedCall[] {
  const [dy, x] = [numbers(n, 1), numbers(n, 2, 3)];
  const [share, density] = [
    (v: number) => 0.5 * (1 + erf(v / Math.SQRT2)),
    (v: number) => Math.exp(-0.5 * v * v) / Math.sqrt(2 * Math.PI),
  ];
  const y = Float64Array.from(x, (v) => v * share(v));
  const dx = Float64Array.from(x, (v, i) => dy[i]! * (share(v) + v * density(v)));
  return [
    { op: "SemisegGelu", inputs: [vector(x)], attrs: {}, outputs: 1, expected: [y] },
    { op: "SemisegGeluGradient", inputs: [vector(dy), vector(x)], attrs: {}, outputs: 1, expected: [dx] },
  ];
}

/** Sizes of the arrays of an update: more arrays than a launch takes, one of them longer than a block's share. */
const SIZES = [9001, ...Array.from({ length: 52 }, (_, i) => (i * 5) % 23)];

/** An update whose rule makes of an element of each input one of each result. */
function update(
  op: string,
  inputs: number,
  outputs: number,
  values: readonly number[],
  rule: (...elements: number[]) => number[],
  bools: TypedAttrs["bools"] = {},
): CheckedCall {
  const roles = Array.from({ length: inputs }, (_, role) =>
    // The last input of AdamW is a mean of squares.
    SIZES.map((n, i) => numbers(n, 100 * role + i, 1, role === 3 ? 1.5 : 0)),
  );
  const results = SIZES.map((n, i) =>
    Array.from({ length: n }, (_, k) => rule(...roles.map((arrays) => arrays[i]![k]!))),
  );
  const count = SIZES.length;
  return {
    op,
    inputs: [...roles.flat(), Float32Array.from(values)].map(vector),
    attrs: { ints: { total: inputs * count + 1, results: outputs * count, count }, bools },
    outputs: outputs * count,
    expected: Array.from({ length: outputs }, (_, k) => results.map((array) => array.map((one) => one[k]!))).flat(),
  };
}

function sgd(nesterov: boolean): CheckedCall {
  const [rate, momentum, decay] = [0.1, 0.9, 0.01];
  return update(
    "SemisegSgd",
    3,
    2,
    [rate, momentum, decay],
    (w, gradient, velocity) => {
      const g = gradient! + decay * w!;
      const v = momentum * velocity! + g;
      return [w! - rate * (nesterov ? g + momentum * v : v), v];
    },
    { nesterov },
  );
}

function adamw(): CheckedCall {
  const [rate, beta1, beta2, epsilon, decay, first, second] = [0.01, 0.9, 0.99, 1e-6, 0.1, 0.271, 0.0297];
  return update("SemisegAdamW", 4, 3, [rate, beta1, beta2, epsilon, decay, first, second], (w, g, m0, v0) => {
    const m = beta1 * m0! + (1 - beta1) * g!;
    const v = beta2 * v0! + (1 - beta2) * g! * g!;
    return [w! * (1 - rate * decay) - (rate * (m / first)) / (Math.sqrt(v / second) + epsilon), m, v];
  });
}

const ema = (): CheckedCall =>
  update("SemisegEma", 2, 1, [0.75], (target, source) => [0.75 * target! + 0.25 * source!]);

function segmentation(voxels: number, classes: number): CheckedCall[] {
  const logits = numbers(voxels * classes, 1, 4);
  const labels = Int32Array.from({ length: voxels }, (_, i) => (i * 7) % classes);
  const p = new Float64Array(logits.length);
  let crossEntropy = 0;
  for (let v = 0; v < voxels; v++) {
    const z = logits.subarray(v * classes, (v + 1) * classes);
    const total = sum(classes, (c) => Math.exp(z[c]!));
    for (let c = 0; c < classes; c++) p[v * classes + c] = Math.exp(z[c]!) / total;
    crossEntropy += Math.log(total) - z[labels[v]!]!;
  }
  const hit = (v: number, c: number): number => (labels[v] === c ? 1 : 0);
  const perClass = (term: (p: number, hit: number) => number) =>
    Float64Array.from({ length: classes }, (_, c) => sum(voxels, (v) => term(p[v * classes + c]!, hit(v, c))));
  const slopes = [numbers(classes, 3), numbers(classes, 4), numbers(classes, 5)] as const;
  const dCrossEntropy = Float32Array.of(0.75);
  const dLogits = new Float64Array(logits.length);
  for (let v = 0; v < voxels; v++) {
    const own = (c: number): number =>
      hit(v, c) * slopes[0][c]! + 2 * slopes[1][c]! * p[v * classes + c]! + slopes[2][c]!;
    const mean = sum(classes, (c) => own(c) * p[v * classes + c]!);
    for (let c = 0; c < classes; c++) {
      const share = p[v * classes + c]!;
      dLogits[v * classes + c] = 0.75 * (share - hit(v, c)) + share * (own(c) - mean);
    }
  }
  const both = [
    { shape: [1, voxels, classes], values: logits },
    { shape: [1, voxels], values: labels },
  ];
  return [
    {
      op: "SemisegSegmentationSums",
      inputs: both,
      attrs: {},
      outputs: 5,
      expected: [
        [crossEntropy],
        perClass((q, h) => q * h),
        perClass((q) => q * q),
        perClass((q) => q),
        perClass((_, h) => h),
      ],
    },
    {
      op: "SemisegSegmentationSumsGradient",
      inputs: [...both, { shape: [], values: dCrossEntropy }, ...slopes.map(vector)],
      attrs: {},
      outputs: 1,
      expected: [dLogits],
    },
  ];
}

/**
 * Calls per kernel or pair of kernels that only makes sense together: every variant that the launch sequences choose
 * from by size, over more than one block.
 */
export const CHECKS = {
  "group norms": () =>
    [
      { samples: 2, rows: 900, channels: 16, groups: 0, relu: true },
      { samples: 2, rows: 301, channels: 3, groups: 0, relu: false },
      { samples: 1, rows: 40, channels: 259, groups: 0, relu: true },
      { samples: 2, rows: 700, channels: 16, groups: 4, relu: true },
      { samples: 2, rows: 601, channels: 6, groups: 6, relu: false },
      { samples: 2, rows: 70, channels: 260, groups: 1, relu: true },
      { samples: 300, rows: 2, channels: 4, groups: 2, relu: false },
      { samples: 70, rows: 1, channels: 12, groups: 1, relu: true },
      { samples: 1, rows: 5000, channels: 4, groups: 0, relu: false, offset: 300 },
    ].flatMap(norm),
  "layer norm": () =>
    [
      { samples: 1, rows: 301, channels: 5, groups: -1, relu: false },
      { samples: 1, rows: 70, channels: 384, groups: -1, relu: false },
    ].flatMap(norm),
  "ReLU gradient": () => [reluGradient(40_000, 0), reluGradient(4097, 0.2)],
  GELU: () => [...gelu(40_000), ...gelu(4097)],
  SGD: () => [sgd(false), sgd(true)],
  AdamW: () => [adamw()],
  EMA: () => [ema()],
  "segmentation sums": () => [2, 3, 7, 14, 20].flatMap((classes) => segmentation(5001, classes)),
} as const satisfies Record<string, () => CheckedCall[]>;

/** Names of {@link CHECKS}. */
export type CheckName = keyof typeof CHECKS;

/**
 * Largest error of a result, relative to the largest of its numbers. Float32 kernels stay below a tenth of it; a value of
 * a wrong place, or a sum that lacks a part, is far above.
 */
export const TOLERANCE = 1e-4;

/** What is wrong with the results of a call, or null. */
export function problemOf({ op, expected }: CheckedCall, actual: readonly ArrayLike<number>[]): string | null {
  if (actual.length !== expected.length) return `${op} has ${actual.length} results`;
  for (const [k, numbers] of expected.entries()) {
    const own = actual[k]!;
    if (own.length !== numbers.length) return `${op}: result ${k} has ${own.length} numbers`;
    let [error, scale] = [0, 0];
    for (let i = 0; i < numbers.length; i++) {
      const difference = Math.abs(own[i]! - numbers[i]!);
      if (Number.isNaN(difference)) return `${op}: result ${k} holds NaN`;
      error = Math.max(error, difference);
      scale = Math.max(scale, Math.abs(numbers[i]!));
    }
    if (error > TOLERANCE * scale)
      return `${op}: result ${k} is off by ${error.toPrecision(2)} of ${scale.toPrecision(2)}`;
  }
  return null;
}

/** Why checks failed, by name. Those that passed are not in it. */
export function selfCheck(run: RunOperator): ReadonlyMap<CheckName, string> {
  const failures = new Map<CheckName, string>();
  for (const [name, calls] of Object.entries(CHECKS) as [CheckName, () => CheckedCall[]][])
    for (const call of calls()) {
      let failure: string | null;
      try {
        failure = problemOf(call, run(call));
      } catch (error) {
        failure = String((error as Error).message ?? error).replace(/\s+/g, " ");
      }
      if (failure === null) continue;
      failures.set(name, failure);
      break;
    }
  return failures;
}
