import { unet, vnet } from "@semiseg/backbones";
import { CompatibilityError, OptionError, ShapeError } from "@semiseg/errors";
import { createStepContext, type Method, methodGradients, polynomialDecay, type StepBatch } from "@semiseg/method";
import { loadStateDict, type Network, RandomStream, sgd } from "@semiseg/nn";
import { type IclConfig, icl } from "@semiseg/presets";
import { eachBackend } from "@semiseg/test-utils";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { openRun, randomBatch } from "./helpers/run-steps.js";

const flat = { kind: "unet", spatialDims: 2, baseFilters: 2, outChannels: 3 } as const;
const options = { size: [16, 16], classes: 3, maxSteps: 20 };
const small: IclConfig = { network: flat, mixingGrid: 2 };
const TERMS = ["supervised", "proxy supervision", "prediction consistency", "proxy consistency"];

const contextOf = (method: Method, batch: StepBatch) =>
  createStepContext(method, batch, { step: 3, maxSteps: 9, random: new RandomStream(1) });
const gradientsOf = (method: Method, batch: StepBatch = randomBatch(0, options)) =>
  methodGradients(method, contextOf(method, batch));
/** Unweighted losses by term. */
async function losses(method: Method, batch: StepBatch) {
  const { terms, gradients } = await gradientsOf(method, batch);
  tf.dispose([...gradients.values()]);
  return Object.fromEntries(terms.map(({ name, value }) => [name, value]));
}
/** A method that trains one of the terms alone, its networks and modules as in the whole. */
const only = (method: Method, name: string): Method => ({
  ...method,
  terms: method.terms.filter((term) => term.name === name),
});
const largest = (t: tf.Tensor | undefined): number => (t ? tf.max(tf.abs(t)).dataSync()[0]! : 0);

describe("icl", () => {
  it("names its terms and weights, and leaves parts out for ablations", () => {
    const terms = (config: IclConfig) =>
      icl({ network: flat, ...config }).terms.map(({ name, weight }) => [name, weight(0, 9)]);
    expect(terms({})).toEqual(TERMS.map((name, i) => [name, [1, 1, 1, 50][i]]));
    expect(
      terms({ predictionConsistency: { weight: 0.1 }, proxyConsistency: { weight: 5 } }).map(([, w]) => w),
    ).toEqual([1, 1, 0.1, 5]);
    expect(terms({ proxySupervision: false, proxyConsistency: false }).map(([name]) => name)).toEqual([
      TERMS[0],
      TERMS[2],
    ]);
    expect(terms({ proxySupervision: false, predictionConsistency: false, proxyConsistency: false })).toEqual([
      ["supervised", 1],
    ]);
    const solid = icl({ network: { kind: "unet", baseFilters: 2 } });
    expect(solid.terms.at(-1)!.weight(0, 9)).toBe(10);
  });

  it("trains each module once, however many terms work on it", () => {
    const method = icl(small);
    const names = [...method.trainable.named.keys()].filter((name) => name.startsWith("terms."));
    expect(new Set(names.map((name) => name.split(".").slice(0, 3).join(".")))).toEqual(
      new Set(["terms.proxy supervision.adaptor", "terms.proxy supervision.learner"]),
    );
    expect(new Set(method.trainable.variables).size).toBe(method.trainable.variables.length);
    method.dispose();
  });

  it("hooks the published features: decoder stages in 2-D, from the bottleneck on in 3-D, of U-Net and V-Net", () => {
    const widths = (network: Network, config: IclConfig = {}) =>
      [...icl({ ...config, network }).trainable.named]
        .filter(([name]) => name.includes("adaptor") && name.endsWith("tokens.norm.weight"))
        .map(([, variable]) => variable.size);
    expect(widths(unet({ spatialDims: 2 }))).toEqual([128, 64, 32]);
    expect(widths(unet({ baseFilters: 4 }))).toEqual([64, 32, 16]);
    expect(widths(vnet({ spatialDims: 2, baseFilters: 4 }))).toEqual([32, 16, 8]);
    expect(widths(vnet({ baseFilters: 4 }))).toEqual([64, 32, 16]);
    expect(widths(vnet({ baseFilters: 4 }), { features: ["x5", "x8"] })).toEqual([64, 8]);
    expect(() => widths(vnet({ baseFilters: 4 }), { features: ["d1"] })).toThrow("x1, x2, x3");
  });

  it("full token mixing takes its sizes from the patch, and is refused with its gigabytes named at 256 x 256", () => {
    const full = (patchSize: number[] | undefined, memoryLimit?: number) =>
      icl({
        ...small,
        tokenMixing: "full",
        ...(patchSize ? { patchSize } : {}),
        ...(memoryLimit ? { memoryLimit } : {}),
      });
    expect(() => full([256, 256])).toThrow(OptionError);
    expect(() => full([256, 256])).toThrow("13.7 GB");
    expect(() => full(undefined)).toThrow("sizes");
    const mixing = full([32, 32]).trainable.named.get(
      "terms.proxy supervision.learner.scales.2.mixing.linear1.weight",
    )!;
    expect(mixing.shape).toEqual([256, 256]);
  });

  it("property 13: the learning rate falls as published", () => {
    for (const [step, rate] of [
      [0, 0.01],
      [1, 0.0099996997],
      [15000, 0.0053588673],
      [29999, 9.345249e-7],
    ] as const)
      expect(0.01 * polynomialDecay(step, 30000)).toBeCloseTo(rate, 9);
  });

  it("refuses options that make no sense, and to be mixed with terms that need one pass over the batch", () => {
    expect(() => icl({ ...small, proxyConsistency: { weight: -1 } })).toThrow("weight");
    expect(() => icl({ ...small, mixingGrid: 0 })).toThrow("mixingGrid");
    const method = icl(small);
    expect(method.passes).toBe("separate");
    expect(CompatibilityError).toBeDefined();
  });
});

eachBackend("icl trains", (backend) => {
  it("gradients go where the published table says, entry by entry", async () => {
    const whole = icl(small);
    const groups: Record<string, RegExp> = {
      "encoder and decoder 1 to 3": /^student\.(encoder|decoder\.up[123])\./,
      "decoder 4 and head": /^student\.decoder\.(up4|out_conv)\./,
      "SSPA maps": /adaptor\.scales\.\d\.(map|mixing)\./,
      "SSPA proxies": /adaptor\.(proxies|projections|scales\.[01]\.(perceptron|attention\.(value|output)))/,
      "SSPA proxies, last scale": /adaptor\.scales\.2\.(perceptron|attention\.(value|output))/,
      USCL: /learner\./,
    };
    const table: Record<string, string> = {
      supervised: "xx----",
      "proxy supervision": "x-xx--",
      "prediction consistency": "x--xxx",
      "proxy consistency": "x--xxx",
    };
    for (const [term, marks] of Object.entries(table)) {
      const { gradients } = await gradientsOf(only(whole, term));
      for (const [i, [group, names]] of Object.entries(groups).entries()) {
        const norms = [...whole.trainable.named]
          .filter(([name, { trainable }]) => trainable && names.test(name))
          .map(([name]) => largest(gradients.get(name)));
        expect(norms.length, group).toBeGreaterThan(0);
        if (marks[i] === "-") expect(Math.max(...norms), `${term}: ${group}`).toBe(0);
        else expect(Math.max(...norms), `${term}: ${group}`).toBeGreaterThan(0);
      }
      tf.dispose([...gradients.values()]);
    }
    whole.dispose();
  });

  it("unlabelled terms reach both halves' images, the labelled one through its proxies; labelled terms their own alone", () => {
    const method = icl(small);
    const { labeled, unlabeled } = randomBatch(0, options);
    const table: Record<string, [boolean, boolean]> = {
      supervised: [true, false],
      "proxy supervision": [true, false],
      "prediction consistency": [true, true],
      "proxy consistency": [true, true],
    };
    for (const term of method.terms) {
      const [a, b] = tf.grads((x: tf.Tensor, y: tf.Tensor) => {
        const batch = { labeled: { ...labeled, image: x }, unlabeled: { ...unlabeled!, image: y } };
        return tf.add(term.loss(contextOf(method, batch)), tf.mul(tf.sum(y), 0));
      })([labeled.image, unlabeled!.image]);
      expect([largest(a) > 0, largest(b) > 0], term.name).toEqual(table[term.name]);
    }
    method.dispose();
  });

  it("property 12: labelled losses do not depend on unlabelled pixels, nor on whether there are any", async () => {
    const method = icl(small);
    const batch = randomBatch(0, options);
    const other = { ...batch, unlabeled: { ...batch.unlabeled!, image: new RandomStream(9).normal([3, 16, 16, 1]) } };
    const first = await losses(method, batch);
    for (const changed of [other, { ...batch, unlabeled: null }]) {
      const second = await losses(method, changed);
      for (const name of TERMS.slice(0, 2)) expect(second[name], name).toBe(first[name]);
      for (const name of TERMS.slice(2)) expect(second[name], name).not.toBe(first[name]);
    }
    method.dispose();
  });

  it("never reads labels of unlabelled images: they may be anything, or fail when they are looked at", async () => {
    const method = icl(small);
    const batch = randomBatch(0, options);
    const first = await losses(method, batch);
    const guarded = Object.defineProperty({ ...batch.unlabeled! }, "labels", {
      get: () => {
        throw new Error("labels of unlabelled images were read");
      },
    });
    expect(await losses(method, { ...batch, unlabeled: guarded })).toEqual(first);
    method.dispose();
  });

  it("without unlabelled images the supervised terms train, the others are 0", async () => {
    const method = icl(small);
    const batch = { ...randomBatch(0, options), unlabeled: null };
    const { terms, gradients } = await methodGradients(method, contextOf(method, batch), { gradientNorms: true });
    for (const { name, value, gradientNorm } of terms)
      if (TERMS.indexOf(name) < 2) expect(gradientNorm, name).toBeGreaterThan(0);
      else expect([value, gradientNorm], name).toEqual([0, 0]);
    for (const g of gradients.values()) expect(g.dataSync().every(Number.isFinite)).toBe(true);
    method.dispose();
  });

  it("5 steps: finite losses, a gradient from every term, tensors flat, weight decay on the proxies", async () => {
    const method = icl(small);
    const run = openRun(method, options);
    const counts: number[] = [];
    for (let step = 0; step < 5; step++) {
      const { total, terms } = await run.step(step, step === 4);
      counts.push(tf.memory().numTensors);
      expect(Number.isFinite(total)).toBe(true);
      for (const { name, gradientNorm } of terms)
        if (gradientNorm !== undefined) expect(gradientNorm, name).toBeGreaterThan(0);
    }
    expect(counts[3]).toBe(counts[2]);
    const name = "terms.proxy supervision.adaptor.proxies";
    const { named } = method.trainable;
    const before = named.get(name)!.dataSync().slice();
    const optimizer = sgd({ learningRate: 0.1, momentum: 0.9, weightDecay: 0.5 });
    optimizer.apply(new Map([[name, tf.zeros(named.get(name)!.shape)]]), named, 0);
    for (const [i, v] of named.get(name)!.dataSync().entries()) expect(v).toBeCloseTo(before[i]! * 0.95, 5);
    method.dispose();
  });

  it("a second backward pass for gradient norms moves no running statistics", async () => {
    const [plain, twice] = [icl(small), icl(small)];
    for (const [method, gradientNorms] of [
      [plain, false],
      [twice, true],
    ] as const) {
      const { gradients } = await methodGradients(method, contextOf(method, randomBatch(0, options)), {
        gradientNorms,
      });
      tf.dispose([...gradients.values()]);
    }
    for (const [name, v] of plain.trainable.named)
      if (!v.trainable) expect(twice.trainable.named.get(name)!.dataSync(), name).toEqual(v.dataSync());
    expect(
      plain.trainable.named.get("terms.proxy supervision.learner.scales.0.map.norm1.running_mean")!.dataSync()[0],
    ).not.toBe(0);
    for (const method of [plain, twice]) method.dispose();
  });

  it("a run that is saved and put back goes on with exactly the same losses", async () => {
    const first = icl(small);
    const run = openRun(first, options);
    for (let step = 0; step < 2; step++) await run.step(step);
    const saved = await run.save();
    const second = icl({ ...small, network: { ...flat, seed: 9 } });
    const resumed = openRun(second, options);
    resumed.load(saved);
    for (let step = 2; step < 4; step++) expect(await resumed.step(step)).toEqual(await run.step(step));
    for (const method of [first, second]) method.dispose();
  });

  it("property 12: predicts bit for bit as its network alone, in whose weights nothing of the modules is", async () => {
    const method = icl(small);
    await openRun(method, options).step(0);
    const { kind: _, ...config } = flat;
    const alone = unet(config);
    expect([...method.student.named.keys()]).toEqual([...alone.named.keys()]);
    loadStateDict(alone, method.student.named);
    const x = new RandomStream(3).normal([2, 16, 16, 1]);
    expect(alone.apply(x).logits.dataSync()).toEqual(method.student.apply(x).logits.dataSync());
    method.dispose();
  });

  it("trains 3-D U-Nets and V-Nets, with every kind of token mixing", async () => {
    const pairs = [
      ["unet", "lowRank"],
      ["unet", "full"],
      ["vnet", "none"],
    ] as const;
    // Three dimensions are slow on the plain engine.
    for (const [kind, tokenMixing] of backend === "cpu" ? pairs.slice(0, 1) : pairs) {
      const method = icl({ network: { kind, baseFilters: 1 }, tokenMixing, patchSize: [16, 16, 32], mixingGrid: 2 });
      const { terms, gradients } = await gradientsOf(
        method,
        randomBatch(0, { ...options, size: [16, 16, 32], classes: 2 }),
      );
      for (const { name, value } of terms) expect(value, `${kind} ${tokenMixing} ${name}`).toBeGreaterThan(0);
      const trained = [...method.trainable.named].filter(([, { trainable }]) => trainable).map(([name]) => name);
      expect([...gradients.keys()].sort()).toEqual(trained.sort());
      tf.dispose([...gradients.values()]);
      method.dispose();
    }
  });

  it("another resolution under full mixing is a typed error, under lowRank a step like any other", async () => {
    const [trained, other] = [16, 32].map((width) => randomBatch(0, { ...options, size: [16, width] }));
    const full = icl({ ...small, tokenMixing: "full", patchSize: [16, 16] });
    await expect(gradientsOf(full, trained)).resolves.toBeTruthy();
    await expect(gradientsOf(full, other)).rejects.toThrow(ShapeError);
    await expect(gradientsOf(icl(small), other)).resolves.toBeTruthy();
  });
});
