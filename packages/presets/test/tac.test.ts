import { unet, vnet } from "@semiseg/backbones";
import { CompatibilityError } from "@semiseg/errors";
import { checkBatch, createStepContext, type Method, methodGradients, type StepBatch } from "@semiseg/method";
import { loadStateDict, RandomStream } from "@semiseg/nn";
import { type TacConfig, tac } from "@semiseg/presets";
import { eachBackend } from "@semiseg/test-utils";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { openRun, randomBatch } from "./helpers/run-steps.js";

const flat = { spatialDims: 2, baseFilters: 2, outChannels: 3 } as const;
const options = { size: [16, 16], classes: 3, maxSteps: 20 };
const at = (method: Method, batch: StepBatch) =>
  createStepContext(method, batch, { step: 0, maxSteps: 9, random: new RandomStream(1) });
const weightsOf = ({ terms }: Method) => Object.fromEntries(terms.map(({ name, weight }) => [name, weight(0, 9)]));

describe("tac", () => {
  it("names its terms with weights of the published strength, and leaves parts out for ablations", () => {
    const weights = (config: TacConfig) => weightsOf(tac({ network: flat, ...config }));
    expect(weights({})).toEqual({ supervised: 1, "structural affinity": 0.25, "contextual affinity": 0.125 });
    expect(weights({ pairing: "code" })).toEqual({
      supervised: 1,
      "structural affinity": 1,
      "contextual affinity": 0.5,
    });
    expect(weights({ contextual: false })).toEqual({ supervised: 1, "structural affinity": 0.25 });
    expect(weights({ structural: false, contextual: { weight: 2 } })).toEqual({
      supervised: 1,
      "contextual affinity": 2,
    });
    for (const config of [{}, { structural: false, contextual: false }] as const)
      expect(tac({ network: flat, ...config }).student.provides.gated.length).toBe(4);
  });

  it("has the 9,472,414 parameters of the published model, gates included, and pools nine features", () => {
    const method = tac();
    const trained = method.trainable.variables.filter((variable) => variable.trainable);
    expect(trained.reduce((n, { size }) => n + size, 0)).toBe(9_472_414);
    const { encoder, gated } = method.student.provides;
    expect([...encoder, ...gated].map(({ name }) => name).join()).toBe("x1,x2,x3,x4,x5,x4a,x3a,x2a,x1a");
    method.dispose();
  });

  it("refuses a network without gates, and unequal halves where samples are compared, naming the remedy", () => {
    expect(() => tac({ network: vnet(flat) })).toThrow(CompatibilityError);
    expect(() => tac({ network: vnet(flat) })).toThrow("attentionGates: true");
    expect(tac({ network: vnet(flat), structural: false }).terms.length).toBe(2);
    const method = tac({ network: flat, pairing: "code" });
    expect(() => checkBatch(method, { labeled: 2, unlabeled: 1 })).toThrow("pairing to 'batch'");
    expect(() => checkBatch(tac({ network: flat }), { labeled: 2, unlabeled: 1 })).not.toThrow();
  });
});

eachBackend("tac trains", () => {
  it("a few steps: finite losses, a gradient from every term, tensors flat, class vectors that keep their norm", async () => {
    for (const [steps, config] of [
      [5, {}],
      [2, { pairing: "code", activation: "sigmoid" }],
    ] as const) {
      const method = tac({ network: flat, ...config });
      const run = openRun(method, options);
      const counts: number[] = [];
      const norms: number[] = [];
      for (let step = 0; step < steps; step++) {
        const { total, terms, log } = await run.step(step, step === 1);
        counts.push(tf.memory().numTensors);
        expect(Number.isFinite(total)).toBe(true);
        for (const { name, gradientNorm } of terms)
          if (gradientNorm !== undefined) expect(gradientNorm, `${name} at step ${step}`).toBeGreaterThan(0);
        expect(Object.keys(log).length).toBe(9 * 3);
        norms.push(log["class vectors/x1/unlabeled norm"]!);
      }
      expect(counts.at(-1)).toBe(counts[1]);
      expect(Math.min(...norms)).toBeGreaterThan(0.5 * norms[0]!);
      method.dispose();
    }
  });

  it("trains U-Nets too, in 2-D and 3-D", async () => {
    for (const spatialDims of [2, 3] as const) {
      const network = { kind: "unet", spatialDims, baseFilters: 2, outChannels: 3, normalization: "batch" } as const;
      const method = tac({ network });
      const batch = randomBatch(0, { ...options, size: Array(spatialDims).fill(16) });
      const context = at(method, batch);
      const { terms, gradients } = await methodGradients(method, context);
      for (const { name, value } of terms) expect(value, `${name} in ${spatialDims}-D`).toBeGreaterThan(0);
      const gates = [...gradients].filter(([name]) => name.includes("gate_d"));
      expect(gates.length).toBe(4 * 3 * 4);
      for (const [name, g] of gradients) expect(g.dataSync().every(Number.isFinite), name).toBe(true);
      context.dispose();
      method.dispose();
    }
  });

  it("without unlabelled data what is trained is what the labelled half alone would train", async () => {
    const gradients = async (config: TacConfig) => {
      const method = tac({ network: flat, pairing: "code", ...config });
      const { total, gradients: found } = await methodGradients(
        method,
        at(method, { ...randomBatch(0, options), unlabeled: null }),
      );
      return [total, ...[...found.values()].flatMap((g) => Array.from(g.dataSync()))];
    };
    expect(await gradients({})).toEqual(await gradients({ structural: false, contextual: false }));
  });

  it("B8.10: the context term reaches the output head, and not once the guide is a constant", () => {
    for (const detachGuide of [false, true]) {
      const method = tac({ network: flat, detachGuide });
      const context = at(method, randomBatch(0, options));
      const head = method.student.named.get("out_conv.weight") as tf.Variable;
      const features = method.student.named.get("block_one.conv.0.weight") as tf.Variable;
      const { grads } = tf.variableGrads(() => method.terms[2]!.loss(context), [head, features]);
      const norm = (v: tf.Variable): number => (grads[v.name] ? tf.sum(tf.abs(grads[v.name]!)).dataSync()[0]! : 0);
      expect(norm(features)).toBeGreaterThan(0);
      if (detachGuide) expect(norm(head)).toBe(0);
      else expect(norm(head)).toBeGreaterThan(0);
      context.dispose();
      method.dispose();
    }
  });

  it("a class that is nowhere in the labels, and labels of background alone, are defined", async () => {
    const method = tac({ network: { ...flat, normalization: "group" } });
    const batch = randomBatch(0, options);
    const labels = tf.zerosLike(batch.labeled.labels);
    const { total, gradients } = await methodGradients(
      method,
      at(method, { ...batch, labeled: { ...batch.labeled, labels } }),
    );
    expect(Number.isFinite(total)).toBe(true);
    for (const [name, g] of gradients) expect(g.dataSync().every(Number.isFinite), name).toBe(true);
    method.dispose();
  });

  it("predicts as the gated network alone", async () => {
    const method = tac({ network: flat });
    const run = openRun(method, options);
    await run.step(0);
    for (const [alone, of] of [
      [vnet({ ...flat, attentionGates: true }), method.student],
      [unet({ ...flat, attentionGates: true }), tac({ network: { kind: "unet", ...flat } }).student],
    ] as const) {
      loadStateDict(alone, of.named);
      const x = new RandomStream(3).normal([1, 16, 16, 1]);
      expect(alone.apply(x).logits.dataSync()).toEqual(of.apply(x).logits.dataSync());
    }
    method.dispose();
  });
});
