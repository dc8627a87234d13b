import { vnet } from "@semiseg/backbones";
import { CompatibilityError, DataError, OptionError } from "@semiseg/errors";
import { diceLoss } from "@semiseg/losses";
import { createStepContext, type Method, methodGradients, NonFiniteLossError } from "@semiseg/method";
import { signedDistanceMap } from "@semiseg/mutual-consistency";
import { RandomStream } from "@semiseg/nn";
import { crossPseudoSupervision, dtc, mcNet, meanTeacher, uaMt, ugMcl } from "@semiseg/presets";
import { eachBackend } from "@semiseg/test-utils";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { openRun, randomBatch } from "./helpers/run-steps.js";

const flat = { spatialDims: 2, baseFilters: 2, outChannels: 3 } as const;
const options = { size: [16, 16], classes: 3, maxSteps: 8 };
const at = { step: 3, maxSteps: 8, random: new RandomStream(1) };
const presets: Readonly<Record<string, () => Method>> = {
  meanTeacher: () => meanTeacher({ network: flat }),
  uaMt: () => uaMt({ network: flat }),
  ugMcl: () => ugMcl({ network: flat }),
  dtc: () => dtc({ network: flat }),
  mcNet: () => mcNet({ network: flat }),
  crossPseudoSupervision: () => crossPseudoSupervision({ network: flat }),
};

describe("presets of mutual consistency", () => {
  it("refuse networks that lack a part, and name the remedy", () => {
    expect(() => ugMcl({ network: vnet(flat) })).toThrow(CompatibilityError);
    expect(() => ugMcl({ network: vnet(flat) })).toThrow("'distance' head");
    expect(() => dtc({ network: vnet(flat) })).toThrow("'distance' head");
    expect(() => ugMcl({ network: { ...flat, dropout: 0 } })).toThrow("dropout rate above 0");
    expect(() => ugMcl({ network: flat, teacher: { mode: "eval" } })).toThrow("'train'");
    expect(() => mcNet({ network: flat, decoders: ["transposed"] })).toThrow("decoder1");
    expect(() => mcNet({ network: { kind: "unet", ...flat } })).toThrow(OptionError);
    expect(() => crossPseudoSupervision({ network: vnet(flat) })).toThrow("auxiliary");
    expect(() => ugMcl({ network: flat, uncertainty: { samples: 0 } })).toThrow("samples");
    expect(() => ugMcl({ network: flat, uncertainty: { samplesPerPass: 2, memoryBudget: 1e9 } })).toThrow("not both");
    expect(() => ugMcl({ network: flat, distance: { dice: 0 } })).toThrow(OptionError);
  });

  it("have the published weights at the start, half-way and at the end", () => {
    const weights = (method: Method, step: number) =>
      Object.fromEntries(method.terms.map((t) => [t.name, t.weight(step, 30000)]));
    const half = weights(ugMcl({ network: flat }), 15000);
    expect(half["supervised"]).toBe(1);
    expect(half["distance map"]).toBe(0.5);
    // U10: L_intra 0.005, L_cross 0.05, ce .4, dice .3, dis .2 at half-way of the run.
    const total = 0.5 * (0.4 + 0.3) + half["distance map"]! * 0.2;
    expect(total + half["intra-task consistency"]! * 0.005 + half["cross-task consistency"]! * 0.05).toBeCloseTo(
      0.4515758,
      7,
    );
    expect(weights(ugMcl({ network: flat }), 0)["cross-task consistency"]).toBeCloseTo(6.74e-4, 6);
    expect(weights(mcNet({ network: flat }), 30000)["mutual consistency"]).toBe(1);
    expect(weights(dtc({ network: flat }), 30000)["cross-task consistency"]).toBe(1);
    expect(weights(dtc({ network: flat }), 0)).toMatchObject({ supervised: 1, "distance map": 1 });
    expect(weights(mcNet({ network: flat }), 0)["supervised"]).toBe(0.5);
    for (const build of [meanTeacher, uaMt]) {
      expect(weights(build({ network: flat }), 30000)).toEqual({ supervised: 1, consistency: 0.1 });
      expect(weights(build({ network: flat }), 15000)["consistency"]).toBeCloseTo(0.0286505, 6);
    }
  });
});

eachBackend("presets of mutual consistency train", () => {
  for (const [name, build] of Object.entries(presets)) {
    it(`${name}: finite losses, a gradient from every term, no tensor left over, and a resumed run is the same`, async () => {
      const method = build();
      // Sure of itself from the start: an untrained teacher is nowhere below the entropy threshold.
      for (const [key, v] of method.student.named) if (key.startsWith("out_conv")) v.assign(tf.mul(v, 20));
      const run = openRun(method, options);
      const counts: number[] = [];
      for (let step = 0; step < 4; step++) {
        const { total, terms, log } = await run.step(step, step === 2);
        counts.push(tf.memory().numTensors);
        expect(Number.isFinite(total)).toBe(true);
        if (step === 2) for (const t of terms) expect(t.gradientNorm, t.name).toBeGreaterThan(0);
        for (const [key, v] of Object.entries(log)) expect(Number.isFinite(v), key).toBe(true);
      }
      expect(counts[3]).toBe(counts[2]);
      const saved = await run.save();
      const second = build();
      const resumed = openRun(second, options);
      resumed.load(saved);
      expect(await resumed.step(4)).toEqual(await run.step(4));
      method.dispose();
      second.dispose();
    });

    it(`${name}: trains on labelled samples alone, or says what is missing`, async () => {
      const method = build();
      const context = createStepContext(method, { ...randomBatch(0, options), unlabeled: null }, at);
      if (name === "uaMt") await expect(methodGradients(method, context)).rejects.toThrow("unlabelled");
      else expect(Number.isFinite((await methodGradients(method, context)).total)).toBe(true);
      method.dispose();
    });
  }

  it("U1, U11: nothing of the teacher is trained, its weights change the loss, and after a step it equals the student", async () => {
    const method = ugMcl({ network: flat });
    expect([...method.trainable.named.keys()].every((key) => key.startsWith("student."))).toBe(true);
    const loss = async () => {
      const context = createStepContext(method, randomBatch(0, options), at);
      const { terms } = await methodGradients(method, context);
      context.dispose();
      return terms.find((t) => t.name === "intra-task consistency")!.value;
    };
    const before = await loss();
    for (const v of method.teacher!.network.variables) v.assign(tf.mul(v, 1.5));
    expect(await loss()).not.toBe(before);
    const run = openRun(method, options);
    await run.step(0);
    for (const [key, v] of method.student.named)
      expect(method.teacher!.network.named.get(key)!.dataSync(), key).toEqual(v.dataSync());
    method.dispose();
  });

  it("U12: the student sees the batch itself, the teacher a copy no more than 0.2 away", async () => {
    const method = ugMcl({ network: flat });
    const batch = randomBatch(0, options);
    const both = tf.concat([batch.labeled.image, batch.unlabeled!.image]).dataSync();
    const seen: { who: string; x: Float32Array }[] = [];
    for (const [who, network] of [
      ["student", method.student],
      ["teacher", method.teacher!.network],
    ] as const) {
      const { apply } = network;
      network.apply = (x, o) => {
        seen.push({ who, x: x.dataSync().slice() as Float32Array });
        return apply(x, o);
      };
    }
    await methodGradients(method, createStepContext(method, batch, at));
    const student = seen.filter(({ who }) => who === "student");
    expect(student.length).toBe(1);
    expect(student[0]!.x).toEqual(both);
    const teacher = seen.filter(({ who }) => who === "teacher");
    // One noisy pass for the target, and 8 samples in 4 passes of two, for both consistencies together.
    expect(teacher.map(({ x }) => x.length / both.length).sort()).toEqual([1, 2, 2, 2, 2]);
    for (const { x } of teacher) {
      const distances = x.map((v, i) => Math.abs(v - both[i % both.length]!));
      expect(Math.max(...distances)).toBeLessThanOrEqual(0.2 + 1e-6);
      expect(Math.max(...distances)).toBeGreaterThan(0.1);
    }
    method.dispose();
  });

  it("a memory budget decides how many teacher passes share a batch, and changes no more than the draw", async () => {
    const passes = async (uncertainty: object) => {
      const method = ugMcl({ network: flat, uncertainty });
      const { network } = method.teacher!;
      const { apply } = network;
      const sizes: number[] = [];
      network.apply = (x, o) => {
        sizes.push(x.shape[0]! / 4);
        return apply(x, o);
      };
      await methodGradients(method, createStepContext(method, randomBatch(0, options), at));
      method.dispose();
      return sizes.filter((_, i) => i > 0);
    };
    expect(await passes({ samples: 8, memoryBudget: 1 })).toEqual(Array(8).fill(1));
    expect(await passes({ samples: 8, memoryBudget: 1e9 })).toEqual([8]);
  });

  it("U13: what is predicted depends neither on the distance head nor on the teacher nor on a random draw", () => {
    const method = ugMcl({ network: flat });
    const x = new RandomStream(3).normal([1, 16, 16, 1]);
    const before = method.student.apply(x).logits.dataSync().slice();
    for (const [name, v] of method.student.named) if (name.includes("distance")) v.assign(tf.mul(v, 100));
    for (const v of method.teacher!.network.variables) v.assign(tf.zerosLike(v));
    expect(method.student.apply(x).logits.dataSync()).toEqual(before);
    method.dispose();
  });

  it("a batch without a labelled sample is a typed error, before anything is computed", () => {
    const method = ugMcl({ network: flat });
    const { unlabeled } = randomBatch(0, options);
    const labeled = { image: tf.zeros([0, 16, 16, 1]), labels: tf.zeros([0, 16, 16], "int32"), ids: [] };
    expect(() => createStepContext(method, { labeled, unlabeled }, at)).toThrow(DataError);
    expect(() => createStepContext(method, { labeled, unlabeled }, at)).toThrow("every batch needs at least one");
    method.dispose();
  });

  it("ancestors have their published losses: DTC Dice and regression, MC-Net Dice of every decoder", async () => {
    const batch = randomBatch(0, options);
    const dual = dtc({ network: flat });
    let context = createStepContext(dual, batch, at);
    const { logits, heads } = context.student.labeled();
    const lossOf = (method: Method, name: string) =>
      method.terms
        .find((term) => term.name === name)!
        .loss(context)
        .dataSync()[0]!;
    const dice = diceLoss(context.labeled.onehot, tf.softmax(logits)).dataSync()[0]!;
    expect(lossOf(dual, "supervised")).toBeCloseTo(dice, 5);
    const truth = tf.stack(
      tf
        .unstack(context.labeled.onehot, 3)
        .slice(1)
        .map((mask) => signedDistanceMap(mask)),
      3,
    );
    const squares = tf.mean(tf.squaredDifference(heads["distance"]!, truth)).dataSync()[0]!;
    expect(lossOf(dual, "distance map")).toBeCloseTo(0.3 * squares, 5);
    context.dispose();
    dual.dispose();

    const decoders = mcNet({ network: flat });
    context = createStepContext(decoders, batch, at);
    const output = context.student.labeled();
    const linear = [output.logits, output.heads["decoder1"]!, output.heads["decoder2"]!].map(
      (z) => diceLoss(context.labeled.onehot, tf.softmax(z), { squaredPred: false, smooth: 1e-8 }).dataSync()[0]!,
    );
    expect(lossOf(decoders, "supervised")).toBeCloseTo(linear[0]! + linear[1]! + linear[2]!, 5);
    context.dispose();
    decoders.dispose();
  });

  it("NaN in an image is a typed error that names the term, before any weight changes", async () => {
    const method = ugMcl({ network: flat });
    const batch = randomBatch(0, options);
    const image = tf.mul(batch.labeled.image, Number.NaN);
    const before = method.student.variables.map((v) => v.dataSync().slice());
    const context = createStepContext(method, { ...batch, labeled: { ...batch.labeled, image } }, at);
    await expect(methodGradients(method, context)).rejects.toThrow(NonFiniteLossError);
    for (const [i, v] of method.student.variables.entries()) if (v.trainable) expect(v.dataSync()).toEqual(before[i]);
    method.dispose();
  });
});
