import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CheckpointError } from "@semiseg/errors";
import {
  batchNorm,
  conv,
  decodeSafetensors,
  encodeSafetensors,
  loadPyTorchStateDict,
  loadSafetensors,
  loadStateDict,
  moduleOf,
  pyTorchStateDict,
  RandomStream,
  safetensorsMetadata,
  saveSafetensors,
  sgd,
  stateDict,
} from "@semiseg/nn";
import { eachBackend } from "@semiseg/test-utils";
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";

const numbers = (x: tf.Tensor): number[] => [...x.dataSync()];
const network = (seed: number) =>
  moduleOf({
    conv: conv({
      spatialDims: 3,
      inChannels: 2,
      outChannels: 3,
      kernelSize: [1, 2, 3],
      padding: "valid",
      random: new RandomStream(seed),
    }),
    norm: batchNorm({ channels: 3 }),
  });

/** A safetensors file of a header (object or text) and data. */
function file(header: unknown, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const json = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const out = new Uint8Array(8 + json.length + data.length);
  new DataView(out.buffer).setBigUint64(0, BigInt(json.length), true);
  out.set(json, 8);
  out.set(data, 8 + json.length);
  return out;
}

eachBackend("state dicts", () => {
  it("hold every variable by its dotted name, buffers included, as copies", () => {
    const net = network(1);
    const dict = stateDict(net);
    expect([...dict.keys()]).toEqual([
      "conv.weight",
      "conv.bias",
      "norm.weight",
      "norm.bias",
      "norm.running_mean",
      "norm.running_var",
    ]);
    const before = numbers(dict.get("conv.bias")!);
    sgd({ learningRate: 1 }).apply({ "conv.bias": tf.ones([3]) }, net.named, 0);
    expect(numbers(dict.get("conv.bias")!)).toEqual(before);
  });

  it("load into another module of the same shape, which then has its own memory", () => {
    const [a, b] = [network(1), network(2)];
    const dict = stateDict(a);
    loadStateDict(b, dict);
    expect(numbers(b.named.get("conv.weight")!)).toEqual(numbers(a.named.get("conv.weight")!));
    sgd({ learningRate: 1 }).apply({ "conv.bias": tf.ones([3]) }, b.named, 0);
    expect(numbers(b.named.get("conv.bias")!)).not.toEqual(numbers(a.named.get("conv.bias")!));
    tf.dispose([...dict.values()]);
    expect(numbers(b.named.get("conv.weight")!)).toEqual(numbers(a.named.get("conv.weight")!));
  });

  it("list missing, unexpected and mismatched names, and change nothing then", () => {
    const net = network(1);
    const before = numbers(net.named.get("norm.bias")!);
    const dict = stateDict(network(2));
    dict.delete("conv.bias");
    dict.set("other", tf.ones([1]));
    dict.set("norm.weight", tf.ones([4]));
    dict.set("norm.bias", tf.ones([3]));
    const load = () => loadStateDict(net, dict);
    expect(load).toThrow(CheckpointError);
    expect(load).toThrow(
      /missing \(1\): conv\.bias[\s\S]*unexpected \(1\): other[\s\S]*norm\.weight \(here float32 \[3\], loaded float32 \[4\]\)/,
    );
    expect(numbers(net.named.get("norm.bias")!)).toEqual(before);
    dict.delete("norm.weight");
    loadStateDict(net, dict, { strict: false });
    expect(numbers(net.named.get("norm.bias")!)).toEqual([1, 1, 1]);
  });

  it("go to PyTorch's kernel layout [O,I,...k] and back", () => {
    const net = network(1);
    const dict = pyTorchStateDict(net);
    const kernel = dict.get("conv.weight")!;
    expect(kernel.shape).toEqual([3, 2, 1, 2, 3]);
    expect(numbers(tf.slice(kernel, [2, 1, 0, 1, 0], [1, 1, 1, 1, 1]))).toEqual(
      numbers(tf.slice(net.named.get("conv.weight")!, [0, 1, 0, 1, 2], [1, 1, 1, 1, 1])),
    );
    const other = network(2);
    loadPyTorchStateDict(other, new Map([...dict, ["norm.num_batches_tracked", tf.scalar(3, "int32")]]));
    expect(numbers(other.named.get("conv.weight")!)).toEqual(numbers(net.named.get("conv.weight")!));
  });
});

eachBackend("safetensors", () => {
  it("keeps names, shapes, dtypes, values and metadata, scalars and empty tensors included", async () => {
    const dict = new Map<string, tf.Tensor>([
      ["a", tf.tensor([1, -0, Number.POSITIVE_INFINITY, 1e-45], [2, 2])],
      ["b.c", tf.tensor([-5, 7], [2], "int32")],
      ["flag", tf.tensor([1, 0, 1], [3], "bool")],
      ["scalar", tf.scalar(4)],
      ["empty", tf.zeros([0, 3])],
    ]);
    const bytes = await encodeSafetensors(dict, { note: "ü" });
    expect((8 + Number(new DataView(bytes.buffer).getBigUint64(0, true))) % 8).toBe(0);
    expect(safetensorsMetadata(bytes)).toEqual({ note: "ü" });
    const back = decodeSafetensors(bytes);
    expect([...back.keys()]).toEqual([...dict.keys()]);
    for (const [name, x] of dict) {
      const y = back.get(name)!;
      expect([y.dtype, y.shape, numbers(y)]).toEqual([x.dtype, x.shape, numbers(x)]);
    }
  });

  it("widens F16, BF16 and F64 and narrows I64", () => {
    const data = new Uint8Array(2 + 2 + 8 + 8);
    const view = new DataView(data.buffer);
    view.setUint16(0, 0xc100, true);
    view.setUint16(2, 0x3fc0, true);
    view.setFloat64(4, 0.25, true);
    view.setBigInt64(12, -9n, true);
    const entry = (dtype: string, begin: number, end: number) => ({ dtype, shape: [], data_offsets: [begin, end] });
    const header = { h: entry("F16", 0, 2), b: entry("BF16", 2, 4), d: entry("F64", 4, 12), i: entry("I64", 12, 20) };
    const dict = decodeSafetensors(file(header, data));
    expect(["h", "b", "d", "i"].map((name) => numbers(dict.get(name)!)[0])).toEqual([-2.5, 1.5, 0.25, -9]);
  });

  it("refuses malformed bytes with a CheckpointError that says what is wrong", () => {
    const entry = { dtype: "F32", shape: [2], data_offsets: [0, 8] };
    const bad: [Uint8Array, string][] = [
      [new Uint8Array(3), "too few"],
      [file("{}").subarray(0, 9), "claims"],
      [file("not json"), "not valid JSON"],
      [file("[]"), "not an object"],
      [file({ a: { ...entry, dtype: "F8" } }, new Uint8Array(8)), "unknown dtype"],
      [file({ a: { ...entry, dtype: "toString" } }, new Uint8Array(8)), "unknown dtype"],
      [file({ a: { ...entry, shape: [-1] } }, new Uint8Array(8)), "no valid shape"],
      [file({ a: { ...entry, shape: [3] } }, new Uint8Array(8)), "needs 12 bytes"],
      [file({ a: entry }, new Uint8Array(4)), "outside"],
      [file({ a: entry }, new Uint8Array(12)), "truncated"],
      [file({ a: entry, b: { ...entry, data_offsets: [4, 12] } }, new Uint8Array(12)), "overlaps"],
      [file({ a: null }), "not an object"],
    ];
    for (const [bytes, why] of bad) {
      expect(() => decodeSafetensors(bytes)).toThrow(CheckpointError);
      expect(() => decodeSafetensors(bytes)).toThrow(why);
    }
  });

  it("appears on disk whole or not at all and names the file it cannot read", async () => {
    const folder = mkdtempSync(join(tmpdir(), "semiseg-nn-"));
    const path = join(folder, "w.safetensors");
    await saveSafetensors(path, new Map([["a", tf.tensor([1, 2])]]));
    expect(numbers((await loadSafetensors(path)).get("a")!)).toEqual([1, 2]);
    await expect(saveSafetensors(path, new Map([["__metadata__", tf.ones([1])]]))).rejects.toThrow("__metadata__");
    expect(readdirSync(folder)).toEqual(["w.safetensors"]);
    writeFileSync(path, readFileSync(path).subarray(0, -1));
    await expect(loadSafetensors(path)).rejects.toThrow(path);
    await expect(loadSafetensors(join(folder, "none"))).rejects.toThrow(CheckpointError);
  });
});
