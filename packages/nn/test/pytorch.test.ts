import { readFileSync } from "node:fs";
import {
  avgPool,
  batchNorm,
  conv,
  decodeSafetensors,
  gelu,
  groupNorm,
  instanceNorm,
  type Layer,
  layerNorm,
  leakyRectify,
  linear,
  loadPyTorchStateDict,
  maxPool,
  moduleOf,
  pyTorchStateDict,
  RandomStream,
  resize,
  transformerEncoderLayer,
  transposedConv,
} from "@semiseg/nn";
import { eachBackend } from "@semiseg/test-utils";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, expect, it } from "vitest";

const random = new RandomStream(1);
const three = { spatialDims: 3, inChannels: 3, outChannels: 4, random } as const;
const two = { ...three, spatialDims: 2 } as const;
const plain = (apply: Layer["apply"]): Layer => ({ ...moduleOf({}), apply });

/** This library's counterpart of every case of benchmarks/pytorch-equality/layers.py. */
const layers: Record<string, () => Layer> = {
  conv3d: () => conv({ ...three, kernelSize: 3 }),
  conv3dStride2: () => conv({ ...three, kernelSize: 3, strides: 2 }),
  conv3dHalving: () => conv({ ...three, kernelSize: 2, strides: 2, padding: "valid" }),
  conv2d: () => conv({ ...two, kernelSize: 3 }),
  conv2dStride2: () => conv({ ...two, kernelSize: 3, strides: 2 }),
  transposedConv3d: () => transposedConv(three),
  transposedConv3dOverlap: () => transposedConv({ ...three, outChannels: 2, kernelSize: 3 }),
  transposedConv2d: () => transposedConv({ ...two, kernelSize: 3 }),
  batchNorm3d: () => batchNorm({ channels: 3 }),
  batchNorm2d: () => batchNorm({ channels: 3 }),
  groupNorm: () => groupNorm({ channels: 6, groups: 2 }),
  instanceNorm: () => instanceNorm({ channels: 3 }),
  layerNorm: () => layerNorm({ channels: 6 }),
  linear: () => linear({ inFeatures: 6, outFeatures: 3, random }),
  trilinear: () => resize({ size: [7, 3, 10] }),
  trilinearCorners: () => resize({ size: [7, 3, 10], alignCorners: true }),
  bilinear: () => resize({ size: [5, 12] }),
  bilinearCorners: () => resize({ size: [5, 12], alignCorners: true }),
  nearest3d: () => resize({ size: [7, 3, 10], mode: "nearest" }),
  nearest2d: () => resize({ size: [5, 12], mode: "nearest" }),
  maxPool3d: () => maxPool(),
  avgPool2d: () => avgPool(),
  gelu: () => plain(gelu),
  leakyRelu: () => plain((x) => leakyRectify(x)),
};

const last = (x: tf.Tensor): tf.Tensor =>
  x.rank < 4 ? x : tf.transpose(x, [0, ...Array.from({ length: x.rank - 2 }, (_, i) => i + 2), 1]);

/** Largest difference over the largest value. */
const relative = (a: tf.Tensor, b: tf.Tensor): number =>
  tf.tidy(() => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0]! / Math.max(1e-6, tf.max(tf.abs(b)).dataSync()[0]!));

const load = (name: string) =>
  decodeSafetensors(readFileSync(new URL(`./fixtures/${name}.safetensors`, import.meta.url)));

/** Runs a layer as the reference did and gives the relative error of everything recorded. */
function errors(layer: Layer, name: string, fixture: ReadonlyMap<string, tf.Tensor>): Record<string, number> {
  const under = (prefix: string) =>
    new Map(
      [...fixture].flatMap(([key, x]) => (key.startsWith(prefix) ? [[key.slice(prefix.length), x] as const] : [])),
    );
  loadPyTorchStateDict(layer, under(`${name}/before.`));
  const [x, y, dy, dx] = ["x", "y", "dy", "dx"].map((key) => last(fixture.get(`${name}/${key}`)!)) as [
    tf.Tensor,
    tf.Tensor,
    tf.Tensor,
    tf.Tensor,
  ];
  const out: Record<string, number> = {};
  out["y"] = relative(layer.apply(x, { training: true, updateBuffers: false }), y);
  const project = (a: tf.Tensor) => tf.sum(tf.mul(layer.apply(a, { training: true }), dy)) as tf.Scalar;
  out["dx"] = relative(
    tf.grad((a) => tf.sum(tf.mul(layer.apply(a, { training: true, updateBuffers: false }), dy)))(x),
    dx,
  );
  const trainable = [...layer.named].filter(([, v]) => v.trainable);
  if (trainable.length > 0) {
    const { grads } = tf.variableGrads(
      () => project(x),
      trainable.map(([, v]) => v),
    );
    const asVariables = {
      ...moduleOf(Object.fromEntries(trainable.map(([key, v]) => [key, tf.variable(grads[v.name]!)]))),
    };
    const actual = pyTorchStateDict(asVariables);
    for (const [key, expected] of under(`${name}/grad.`)) out[`grad.${key}`] = relative(actual.get(key)!, expected);
  }
  const after = pyTorchStateDict(layer);
  for (const [key, expected] of under(`${name}/after.`)) out[`after.${key}`] = relative(after.get(key)!, expected);
  return out;
}

eachBackend("layers beside PyTorch", () => {
  let fixture: Map<string, tf.Tensor>;
  beforeAll(() => {
    fixture = load("layers");
  });

  it("cover every recorded case", () => {
    expect(new Set([...fixture.keys()].map((key) => key.split("/")[0]))).toEqual(new Set(Object.keys(layers)));
  });

  it.each(Object.keys(layers))("%s gives PyTorch's output, gradients and running statistics", (name) => {
    for (const [what, error] of Object.entries(errors(layers[name]!(), name, fixture)))
      expect(error, `${name} ${what}`).toBeLessThan(2e-5);
  });
});

eachBackend("transformerEncoderLayer beside PyTorch", () => {
  it.each([
    ["relu", undefined],
    ["relu", 3],
    ["gelu", undefined],
  ] as const)(
    "with %s and query chunks of %s equals nn.TransformerEncoderLayer, forward and backward",
    (activation, queryChunk) => {
      const layer = transformerEncoderLayer({
        channels: 12,
        heads: 3,
        feedForward: 20,
        dropout: 0,
        activation,
        random,
        ...(queryChunk ? { queryChunk } : {}),
      });
      for (const [what, error] of Object.entries(errors(layer, activation, load("attention"))))
        expect(error, `${activation} ${what}`).toBeLessThan(1e-5);
    },
  );
});
