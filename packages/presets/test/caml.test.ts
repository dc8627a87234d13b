import { unet, vnet } from "@semiseg/backbones";
import type { OmniCorrelationTerm } from "@semiseg/correlation";
import { CheckpointError, DataError, OptionError } from "@semiseg/errors";
import { crossEntropyLoss, diceLoss } from "@semiseg/losses";
import { createStepContext, type Method, methodGradients, type StepBatch, sigmoidRampUp } from "@semiseg/method";
import { loadStateDict, RandomStream } from "@semiseg/nn";
import { type CamlConfig, caml } from "@semiseg/presets";
import { eachBackend } from "@semiseg/test-utils";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { openRun, randomBatch } from "./helpers/run-steps.js";

const flat = { spatialDims: 2, baseFilters: 2, outChannels: 3 } as const;
const options = { size: [16, 16], classes: 3, maxSteps: 20 };
const small: CamlConfig = { network: flat, correlation: { perClass: 4, capacityPerClass: 32 }, rampLength: 2 };
const bankOf = ({ terms }: Method) =>
  (terms.find(({ name }) => name === "omni correlation") as OmniCorrelationTerm).bank;
const gradientsOf = (method: Method, batch: StepBatch) =>
  methodGradients(method, createStepContext(method, batch, { step: 3, maxSteps: 9, random: new RandomStream(1) }));

describe("caml", () => {
  it("names its terms, and leaves parts out for ablations", () => {
    const names = (config: object) => caml({ network: flat, ...config }).terms.map(({ name }) => name);
    expect(names({})).toEqual(["supervised", "supervised auxiliary", "mutual consistency", "omni correlation"]);
    expect(names({ correlation: false })).toEqual(["supervised", "supervised auxiliary", "mutual consistency"]);
    expect(names({ consistency: false })).toEqual(["supervised", "supervised auxiliary", "omni correlation"]);
    const hooks = (config: object) =>
      [...caml({ network: flat, ...config }).auxiliary!.named.keys()].filter((name) => name.startsWith("hooks.x4"));
    expect(hooks({}).length).toBe(24);
    expect(hooks({ attention: false })).toEqual([]);
  });

  it("has the 20,128,836 parameters of the published model", () => {
    const method = caml();
    const trained = method.trainable.variables.filter((variable) => variable.trainable);
    expect(trained.reduce((n, { size }) => n + size, 0)).toBe(20_128_836);
    method.dispose();
  });

  it("C11: adds up to the published log from its parts", () => {
    for (const [it, ramp, supervised, consistency, correlation, total] of [
      [1, 40, 1.586921, 0.427246, 13.700855, 0.800955],
      [3000, 40, 0.058234, 0.01972, 0.274601, 0.038701],
      [1000, 20, 0.139244, 0.043931, 5.106662, 0.095447],
      [500, 15, 0.370349, 0.06534, 1.146368, 0.190174],
      [15000, 40, 0.036419, 0.009124, 0.729586, 0.063813],
    ] as const) {
      const { terms } = caml({ network: flat, rampLength: 150 * ramp, rampPeriod: 150 });
      const values = [supervised / 2, supervised / 2, consistency, correlation];
      const sum = terms.reduce((all, { weight }, i) => all + values[i]! * weight(it - 1, 15000), 0);
      expect(sum, `iteration ${it}`).toBeCloseTo(total, 5);
    }
  });

  it("raises both consistencies over 6000 of 15000 steps, or over the steps it is told, from step 1", () => {
    const weights = (config: object, step: number) =>
      caml({ network: flat, ...config }).terms.map(({ weight }) => weight(step, 100));
    const ramp = sigmoidRampUp(20, 40);
    for (const [i, want] of [0.5, 0.5, ramp, 0.05 * ramp].entries()) expect(weights({}, 19)[i]).toBeCloseTo(want, 12);
    expect(weights({}, 39)).toEqual([0.5, 0.5, 1, 0.05]);
    expect(weights({}, 38)[2]).toBeLessThan(1);
    const [first] = caml({ network: flat }).terms.slice(2);
    expect(first!.weight(5999, 15000)).toBe(1);
    expect(first!.weight(5998, 15000)).toBeLessThan(1);
    expect(weights({ rampLength: 10, consistency: { weight: 2 }, correlation: { weight: 3 } }, 9)).toEqual([
      0.5, 0.5, 2, 3,
    ]);
  });

  it("learns labels by Dice alone, or by the loss it is told, in both networks alike", () => {
    const losses = (config: CamlConfig): number[] => {
      const method = caml({ network: flat, ...config });
      const batch = randomBatch(0, options);
      const context = createStepContext(method, batch, { step: 0, maxSteps: 9, random: new RandomStream(1) });
      return (["student", "auxiliary"] as const).map((role, i) => {
        const { logits } = context[role].labeled();
        const onehot = tf.oneHot(batch.labeled.labels, 3);
        const dice = diceLoss(onehot, tf.softmax(logits), { squaredPred: false, smooth: 1e-8 });
        const expected = config.supervised
          ? tf.add(tf.mul(dice, 2), crossEntropyLoss(batch.labeled.labels, logits))
          : dice;
        return method.terms[i]!.loss(context).sub(expected).abs().dataSync()[0]!;
      });
    };
    for (const difference of losses({})) expect(difference).toBeLessThan(1e-5);
    const supervised = { weight: 3, crossEntropyWeight: 1, diceWeight: 2 };
    for (const difference of losses({ supervised })) expect(difference).toBeLessThan(1e-5);
    expect(
      caml({ network: flat, supervised })
        .terms.map((term) => term.weight(0, 9))
        .slice(0, 2),
    ).toEqual([3, 3]);
  });

  it("refuses networks that it cannot derive a second one from, and options that make no sense", () => {
    expect(() => caml({ network: { kind: "unet", spatialDims: 2 } })).toThrow("vnet");
    expect(() => caml({ network: vnet(flat) })).toThrow("auxiliary");
    expect(() => caml({ network: flat, auxiliary: flat, attention: {} })).toThrow(OptionError);
    expect(() => caml({ network: flat, attention: { heads: 3 } })).toThrow("divide the 16 channels");
    expect(() => caml({ network: flat, rampLength: -1 })).toThrow("rampLength");
    expect(() => caml({ network: flat, rampPeriod: 0 })).toThrow("rampPeriod");
    expect(() => caml({ network: flat, correlation: { perClass: 0 } })).toThrow("perClass");
    const own = unet({ spatialDims: 2, outChannels: 3, baseFilters: 2 });
    expect(caml({ network: vnet(flat), auxiliary: own }).auxiliary).toBe(own);
  });
});

eachBackend("caml trains", () => {
  it("8 steps: finite losses, a gradient from every term, tensors flat, a memory that fills and stays in bounds", async () => {
    const method = caml(small);
    const run = openRun(method, options);
    const counts: number[] = [];
    for (let step = 0; step < 8; step++) {
      const { total, terms, log } = await run.step(step, step === 7);
      counts.push(tf.memory().numTensors);
      expect(Number.isFinite(total)).toBe(true);
      for (const { name, gradientNorm } of terms)
        if (gradientNorm !== undefined) expect(gradientNorm, `${name} at step ${step}`).toBeGreaterThan(0);
      expect(log["omni correlation/memory"]).toBe(bankOf(method).counts.reduce((a, b) => a + b));
    }
    expect(counts[7]).toBe(counts[3]);
    const { scanIds, counts: stored, bytes } = bankOf(method);
    expect([...scanIds].sort()).toEqual(["scan 0", "scan 1", "scan 2", "scan 3"]);
    for (const n of stored) expect(n).toBeLessThanOrEqual(4 * 32);
    expect(bytes).toBe(stored.reduce((a, b) => a + b) * 32 * 4);
    method.dispose();
  });

  it("a run that is saved and put back goes on with exactly the same losses and memory", async () => {
    const first = caml(small);
    const run = openRun(first, options);
    for (let step = 0; step < 2; step++) await run.step(step);
    const saved = await run.save();
    const second = caml({ ...small, network: { ...flat, seed: 9 } });
    const resumed = openRun(second, options);
    resumed.load(saved);
    for (let step = 2; step < 4; step++) expect(await resumed.step(step)).toEqual(await run.step(step));
    expect(bankOf(second).state).toEqual(bankOf(first).state);
    expect(bankOf(first).scanIds.length).toBe(4);
    expect(bankOf(first).bytes).toBeGreaterThan(0);
    const other = caml({ network: { ...flat, outChannels: 2 } });
    const { state } = other.terms.at(-1)!;
    expect(() => state!.load(first.terms.at(-1)!.state!.save())).toThrow(CheckpointError);
    for (const method of [first, second, other]) method.dispose();
  });

  it("C12: predicts as the vanilla network alone, whatever else is in the batch or in the other parts", async () => {
    const method = caml(small);
    const run = openRun(method, options);
    await run.step(0);
    const alone = vnet(flat);
    loadStateDict(alone, method.student.named);
    const x = new RandomStream(3).normal([2, 16, 16, 1]);
    const both = method.student.apply(x).logits;
    expect(alone.apply(x).logits.dataSync()).toEqual(both.dataSync());
    const one = method.student.apply(tf.slice(x, 0, 1)).logits.dataSync();
    for (const [i, v] of both.dataSync().slice(0, one.length).entries()) expect(one[i]).toBeCloseTo(v, 5);
    method.dispose();
  });

  it("labelled images reach the auxiliary network's unlabelled predictions through the attention, not the vanilla one's", () => {
    const method = caml({
      ...small,
      network: { ...flat, normalization: "instance", dropout: 0 },
      attention: { dropout: 0 },
    });
    const logits = (seed: number) => {
      const batch = randomBatch(0, options);
      const image = new RandomStream(seed).normal([2, 16, 16, 1]);
      const at = { step: 0, maxSteps: 9, random: new RandomStream(1) };
      const context = createStepContext(method, { ...batch, labeled: { ...batch.labeled, image } }, at);
      return [context.student, context.auxiliary].map((passes) => passes.unlabeled().logits);
    };
    const [a, b] = [logits(1), logits(2)];
    const change = a.map((t, i) => tf.max(tf.abs(tf.sub(t, b[i]!))).dataSync()[0]!);
    expect(change[0]).toBeLessThan(1e-6);
    expect(change[1]).toBeGreaterThan(1e-4);
    method.dispose();
  });

  it("trains every part: both networks, the attention and, once there is a memory, all heads", async () => {
    const method = caml(small);
    const run = openRun(method, options);
    for (let step = 0; step < 2; step++) await run.step(step);
    const { gradients } = await gradientsOf(method, randomBatch(4, options));
    const trained = [...method.trainable.named].filter(([, variable]) => variable.trainable).map(([name]) => name);
    expect([...gradients.keys()].sort()).toEqual(trained.sort());
    for (const part of ["student.", "auxiliary.hooks.x4.intra", "auxiliary.hooks.x4.inter", "terms.omni correlation."])
      expect(
        [...gradients].some(([name, g]) => name.startsWith(part) && tf.max(tf.abs(g)).dataSync()[0]! > 0),
        part,
      ).toBe(true);
    method.dispose();
  });

  it("C13: labels of one class and a batch without unlabelled samples are defined; bad batches are refused by name", async () => {
    const method = caml(small);
    const batch = randomBatch(0, options);
    const background = { ...batch, labeled: { ...batch.labeled, labels: tf.zerosLike(batch.labeled.labels) } };
    for (const [name, b] of Object.entries({ background, labeled: { ...batch, unlabeled: null } })) {
      const { total, gradients } = await gradientsOf(method, b);
      expect(Number.isFinite(total), name).toBe(true);
      for (const [key, g] of gradients) expect(g.dataSync().every(Number.isFinite), `${name} ${key}`).toBe(true);
    }
    const twice = { ...batch, labeled: { ...batch.labeled, ids: ["scan 0", "scan 0"] } };
    await expect(gradientsOf(method, twice)).rejects.toThrow(DataError);
    const { image, labels } = batch.labeled;
    const one = { image: tf.slice(image, 0, 1), labels: tf.slice(labels, 0, 1), ids: ["scan 0"] };
    // Batch norm would refuse a lone voxel by itself.
    const other = caml({ ...small, network: { ...flat, normalization: "group" } });
    await expect(gradientsOf(other, { labeled: one, unlabeled: null })).rejects.toThrow("at least 2 samples");
    other.dispose();
    method.dispose();
  });
});
