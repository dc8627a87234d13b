import { vnet } from "@semiseg/backbones";
import { CompatibilityError, OptionError, ShapeError } from "@semiseg/errors";
import { createStepContext, methodGradients } from "@semiseg/method";
import { RandomStream, withoutGradient } from "@semiseg/nn";
import { duCiSc } from "@semiseg/presets";
import { eachBackend } from "@semiseg/test-utils";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { openRun, randomBatch } from "./helpers/run-steps.js";

const flat = { spatialDims: 2, baseFilters: 2, outChannels: 3 } as const;
const options = { size: [16, 16], classes: 3, maxSteps: 20 };

describe("duCiSc", () => {
  it("refuses a network without deep supervision and options that make no sense", () => {
    expect(() => duCiSc({ network: vnet(flat) })).toThrow(CompatibilityError);
    expect(() => duCiSc({ network: vnet(flat) })).toThrow("deepSupervision: true");
    expect(() => duCiSc({ network: flat, warmUpSteps: -1 })).toThrow(OptionError);
    expect(() => duCiSc({ network: flat, confidence: { fixed: 2 } })).toThrow("fixed");
  });

  it("names its terms, and leaves them out for ablations", () => {
    const names = (config: object) => duCiSc({ network: flat, ...config }).terms.map(({ name }) => name);
    expect(names({})).toEqual([
      "deep supervision",
      "certain pseudo-labels",
      "fused images",
      "prototype alignment",
      "mix prototypes",
    ]);
    expect(names({ prototypes: false })).toEqual(["deep supervision", "certain pseudo-labels", "fused images"]);
    expect(names({ fusedImages: false })).toEqual(["deep supervision", "certain pseudo-labels", "prototype alignment"]);
  });

  it("warms up for 2000 of 15000 steps, and in proportion", () => {
    const { terms } = duCiSc({ network: flat });
    const weights = (step: number, maxSteps: number) => terms.map((t) => t.weight(step, maxSteps));
    expect(weights(1999, 15000)).toEqual([1, 0, 0, 0, 0]);
    expect(weights(2000, 15000)).toEqual([1, 0.3, 0.1, 0.1, 0.1]);
    expect(weights(266, 2000)).toEqual([1, 0, 0, 0, 0]);
    expect(weights(267, 2000)).toEqual([1, 0.3, 0.1, 0.1, 0.1]);
    expect(duCiSc({ network: flat, warmUpSteps: 5 }).terms[1]!.weight(5, 15000)).toBe(0.3);
  });
});

eachBackend("duCiSc trains", () => {
  it("20 steps: finite losses of value 1 and 1.6 (D10), a gradient from every term, tensors flat, thresholds move only after the warm-up", async () => {
    const method = duCiSc({ network: flat, warmUpSteps: 3 });
    const run = openRun(method, options);
    const counts: number[] = [];
    for (let step = 0; step < 20; step++) {
      const { total, terms, log } = await run.step(step, step === 0 || step === 3 || step === 19);
      counts.push(tf.memory().numTensors);
      expect(total).toBeCloseTo(step < 3 ? 1 : 1.6, 5);
      for (const { name, weight, gradientNorm } of terms)
        if (weight > 0 && gradientNorm !== undefined)
          expect(gradientNorm, `${name} at step ${step}`).toBeGreaterThan(0);
      for (const [name, v] of Object.entries(log)) expect(Number.isFinite(v), `${name} at step ${step}`).toBe(true);
      expect("confidence/scale3/class2" in log).toBe(step >= 3);
      expect(log["deep supervision/value"]).toBeGreaterThan(0);
    }
    expect(counts[19]).toBe(counts[4]);
    method.dispose();
  });

  it("a run that is saved and put back goes on with exactly the same losses and thresholds", async () => {
    const config = { network: flat, warmUpSteps: 2, normalizeLosses: false };
    const first = duCiSc(config);
    const run = openRun(first, options);
    for (let step = 0; step < 4; step++) await run.step(step);
    const saved = await run.save();
    const second = duCiSc({ ...config, network: { ...flat, seed: 9 } });
    const resumed = openRun(second, options);
    resumed.load(saved);
    for (let step = 4; step < 7; step++) expect(await resumed.step(step)).toEqual(await run.step(step));
    first.dispose();
    second.dispose();
  });

  it("D14: during the warm-up what is trained does not depend on the unlabelled images", async () => {
    const gradients = async (seed: number) => {
      const method = duCiSc({ network: flat, warmUpSteps: 3 });
      const batch = randomBatch(0, options);
      const unlabeled = { image: new RandomStream(seed).normal([2, 16, 16, 1]), ids: ["x", "y"] };
      const context = createStepContext(
        method,
        { ...batch, unlabeled },
        { step: 0, maxSteps: 9, random: new RandomStream(1) },
      );
      const { gradients: found } = await methodGradients(method, context);
      return [...found.values()].map((g) => Array.from(g.dataSync()));
    };
    expect(await gradients(1)).toEqual(await gradients(2));
  });

  it("D1: the teacher is not trained, and prototypes reach the student through either image", () => {
    const method = duCiSc({ network: flat, warmUpSteps: 0 });
    expect([...method.trainable.named.keys()].every((name) => name.startsWith("student."))).toBe(true);
    const trained = method.student.variables.filter((v) => v.trainable);
    for (const [name, constant] of [
      ["prototype alignment", "labeled"],
      ["prototype alignment", "unlabeled"],
      ["mix prototypes", "labeled"],
    ] as const) {
      const term = method.terms.find((t) => t.name === name)!;
      const at = { step: 0, maxSteps: 9, random: new RandomStream(1) };
      const context = createStepContext(method, randomBatch(0, options), at);
      // A pass that was first asked for without gradient stays a constant for the rest of the step.
      withoutGradient(() => context.student[constant]());
      const { grads } = tf.variableGrads(() => term.loss(context), trained);
      const largest = Math.max(...Object.values(grads).map((g) => g.abs().max().dataSync()[0]!));
      expect(largest, `${name} with the ${constant} half constant`).toBeGreaterThan(0);
      context.dispose();
    }
    method.dispose();
  });

  it("D11: the finest logits are those of the evaluation, whatever the other heads hold", () => {
    const { student, dispose } = duCiSc({ network: flat });
    const x = new RandomStream(3).normal([1, 16, 16, 1]);
    const before = student.apply(x).logits.dataSync().slice();
    for (const [name, variable] of student.named) if (name.startsWith("scale")) variable.assign(tf.mul(variable, 100));
    expect(student.apply(x).logits.dataSync()).toEqual(before);
    const { features, heads } = student.apply(x);
    for (const [i, { feature, head }] of student.provides.scales.entries()) {
      const logits = head === "logits" ? student.apply(x).logits : heads[head]!;
      expect(logits.shape.slice(1, -1), `scale ${i}`).toEqual(features[feature.name]!.shape.slice(1, -1));
    }
    dispose();
  });

  it("no certain voxel at any scale: those losses are 0, the others go on", async () => {
    for (const normalizeLosses of [true, false]) {
      const method = duCiSc({ network: flat, warmUpSteps: 0, normalizeLosses, confidence: { fixed: 0.999999 } });
      const at = { step: 0, maxSteps: 9, random: new RandomStream(1) };
      const { terms, gradients } = await methodGradients(
        method,
        createStepContext(method, randomBatch(0, options), at),
      );
      const values = Object.fromEntries(terms.map(({ name, value }) => [name, value]));
      expect([values["certain pseudo-labels"], values["fused images"]]).toEqual([0, 0]);
      for (const name of ["deep supervision", "prototype alignment", "mix prototypes"])
        expect(values[name], name).toBeGreaterThan(0);
      for (const [name, g] of gradients) expect(g.dataSync().every(Number.isFinite), name).toBe(true);
      method.dispose();
    }
  });

  it("a class that is nowhere, all labels background and unequal halves: defined, or refused by name", async () => {
    const method = duCiSc({ network: flat, warmUpSteps: 0 });
    const batch = randomBatch(0, options);
    const background = { ...batch, labeled: { ...batch.labeled, labels: tf.zerosLike(batch.labeled.labels) } };
    const at = (b: typeof batch) =>
      methodGradients(method, createStepContext(method, b, { step: 0, maxSteps: 9, random: new RandomStream(1) }));
    const { total, gradients } = await at(background);
    expect(Number.isFinite(total)).toBe(true);
    for (const [name, g] of gradients) expect(g.dataSync().every(Number.isFinite), name).toBe(true);
    const one = { image: tf.slice(batch.unlabeled!.image, 0, 1), ids: ["x"] };
    await expect(at({ ...batch, unlabeled: one })).rejects.toThrow(ShapeError);
  });
});
