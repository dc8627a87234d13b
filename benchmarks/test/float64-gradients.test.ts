import { diceCrossEntropyLoss } from "@semiseg/losses";
import { batchNorm, conv, groupNorm, RandomStream, transposedConv, variableGradients } from "@semiseg/nn";
import { eachBackend } from "@semiseg/test-utils";
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";

type Volume = { readonly values: Float64Array; readonly size: number; readonly channels: number };
type Values = ArrayLike<number>;

const [SIZE, CLASSES] = [4, 3];

/** All pairs of an input voxel, a filter tap and an output voxel of a cubic convolution of one volume. */
function convolution(x: Volume, w: Values, k: number, stride: number, out: number, transposed = false): Volume {
  const pad = stride === 1 ? (k - 1) / 2 : 0;
  const size = transposed ? x.size * stride : (x.size + 2 * pad - k) / stride + 1;
  const y = new Float64Array(size ** 3 * out);
  const coarse = transposed ? x.size : size;
  const fine = transposed ? size : x.size;
  for (let o = 0; o < coarse ** 3; o++)
    for (let t = 0; t < k ** 3; t++) {
      const at = [2, 1, 0].map(
        (axis) => (Math.floor(o / coarse ** axis) % coarse) * stride + (Math.floor(t / k ** axis) % k) - pad,
      );
      if (at.some((n) => n < 0 || n >= fine)) continue;
      const f = (at[0]! * fine + at[1]!) * fine + at[2]!;
      const [from, to] = transposed ? [o, f] : [f, o];
      for (let i = 0; i < x.channels; i++)
        for (let c = 0; c < out; c++)
          y[to * out + c]! +=
            x.values[from * x.channels + i]! *
            w[transposed ? (t * out + c) * x.channels + i : (t * x.channels + i) * out + c]!;
    }
  return { values: y, size, channels: out };
}

/** Normalisation in groups of channels and ReLU; batch norm of a single volume has a group per channel. */
function normRelu(x: Volume, gamma: Values, beta: Values, groups: number): Volume {
  const [width, rows] = [x.channels / groups, x.size ** 3];
  const values = x.values.slice();
  for (let g = 0; g < groups; g++) {
    const own: number[] = [];
    for (let r = 0; r < rows; r++) for (let c = g * width; c < (g + 1) * width; c++) own.push(r * x.channels + c);
    const mean = own.reduce((a, i) => a + x.values[i]!, 0) / own.length;
    const variance = own.reduce((a, i) => a + (x.values[i]! - mean) ** 2, 0) / own.length;
    for (const i of own)
      values[i] = Math.max(
        0,
        ((x.values[i]! - mean) / Math.sqrt(variance + 1e-5)) * gamma[i % x.channels]! + beta[i % x.channels]!,
      );
  }
  return { ...x, values };
}

function loss(logits: Volume, labels: Values): number {
  const rows = logits.size ** 3;
  let crossEntropy = 0;
  const [overlap, squares, counts] = [0, 1, 2].map(() => new Array<number>(CLASSES).fill(0)) as [
    number[],
    number[],
    number[],
  ];
  for (let r = 0; r < rows; r++) {
    const z = Array.from({ length: CLASSES }, (_, c) => Math.exp(logits.values[r * CLASSES + c]!));
    const total = z.reduce((a, b) => a + b, 0);
    crossEntropy -= Math.log(z[labels[r]!]! / total) / rows;
    for (let c = 0; c < CLASSES; c++) {
      const [p, y] = [z[c]! / total, labels[r] === c ? 1 : 0];
      overlap[c]! += p * y;
      squares[c]! += p * p;
      counts[c]! += y;
    }
  }
  const dice = [1, 2].map((c) => 1 - (2 * overlap[c]! + 1e-5) / (squares[c]! + counts[c]! + 1e-5));
  return 0.5 * crossEntropy + (0.5 * (dice[0]! + dice[1]!)) / 2;
}

const network = () => {
  const random = new RandomStream(11);
  const unit = { spatialDims: 3, bias: false, random } as const;
  const parts = {
    first: conv({ ...unit, inChannels: 1, outChannels: 16, kernelSize: 3 }),
    norm1: batchNorm({ channels: 16, relu: true }),
    second: conv({ ...unit, inChannels: 16, outChannels: 16, kernelSize: 3 }),
    norm2: groupNorm({ channels: 16, groups: 4, relu: true }),
    down: conv({ ...unit, inChannels: 16, outChannels: 32, kernelSize: 2, strides: 2, padding: "valid" }),
    norm3: groupNorm({ channels: 32, groups: 32, relu: true }),
    up: transposedConv({ ...unit, inChannels: 32, outChannels: 16 }),
    last: conv({ ...unit, inChannels: 16, outChannels: CLASSES, kernelSize: 1 }),
  };
  const variables = Object.entries(parts).flatMap(([part, { named }]) =>
    [...named].filter(([, v]) => v.trainable).map(([name, variable]) => ({ name: `${part}.${name}`, variable })),
  );
  return { parts, variables, random };
};

eachBackend("gradients of a small network", () => {
  it("equal differences in float64 within 1e-4 of each variable's largest gradient", () => {
    const { parts, variables, random } = network();
    const image = random.normal([1, SIZE, SIZE, SIZE, 1]);
    const y = Int32Array.from({ length: SIZE ** 3 }, (_, i) => ((i * 7) % 5) % CLASSES);
    const labels = tf.tensor(y, [1, SIZE, SIZE, SIZE], "int32");
    const training = { training: true };
    const { value, gradients } = variableGradients(
      () => {
        let x = parts.norm1.apply(parts.first.apply(image), training);
        x = parts.norm2.apply(parts.second.apply(x));
        const z = parts.up.apply(parts.norm3.apply(parts.down.apply(x)));
        return diceCrossEntropyLoss(labels, parts.last.apply(tf.add(x, z)));
      },
      variables.map(({ variable }) => variable),
    );
    const w = Object.fromEntries(variables.map(({ name, variable }) => [name, Float64Array.from(variable.dataSync())]));
    const input: Volume = { values: Float64Array.from(image.dataSync()), size: SIZE, channels: 1 };
    const forward = (): number => {
      let x = normRelu(convolution(input, w["first.weight"]!, 3, 1, 16), w["norm1.weight"]!, w["norm1.bias"]!, 16);
      x = normRelu(convolution(x, w["second.weight"]!, 3, 1, 16), w["norm2.weight"]!, w["norm2.bias"]!, 4);
      let z = convolution(x, w["down.weight"]!, 2, 2, 32);
      z = convolution(normRelu(z, w["norm3.weight"]!, w["norm3.bias"]!, 32), w["up.weight"]!, 2, 2, 16, true);
      const sum = { ...x, values: x.values.map((v, i) => v + z.values[i]!) };
      return loss(convolution(sum, w["last.weight"]!, 1, 1, CLASSES), y);
    };
    expect(value.dataSync()[0]).toBeCloseTo(forward(), 5);
    const step = 1e-6;
    for (const { name, variable } of variables) {
      const gradient = Float32Array.from(gradients.get(variable)!.dataSync());
      const scale = gradient.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
      const values = w[name]!;
      for (let k = 0; k < 4; k++) {
        const i = (k * 7919 + 13) % values.length;
        const kept = values[i]!;
        values[i] = kept + step;
        const above = forward();
        values[i] = kept - step;
        const below = forward();
        values[i] = kept;
        const error = Math.abs(gradient[i]! - (above - below) / (2 * step)) / scale;
        expect(error, `${name}[${i}]`).toBeLessThan(1e-4);
      }
    }
  });
});
