import { vnet } from "@semiseg/backbones";
import { CompatibilityError, OptionError } from "@semiseg/errors";
import { composeMethod, createStepContext, type Method, type Term } from "@semiseg/method";
import {
  crossPseudoSupervisionTerm,
  crossTaskTerm,
  distanceMapTerm,
  distanceToProbability,
  mutualConsistencyLoss,
  mutualConsistencyTerm,
  signedDistanceMap,
  teacherConsistencyTerm,
} from "@semiseg/mutual-consistency";
import { RandomStream } from "@semiseg/nn";
import { eachBackend } from "@semiseg/test-utils";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";

const config = { spatialDims: 2, baseFilters: 2, outChannels: 3, heads: ["distance"] } as const;

const build = (term: Term, network: object = {}, auxiliary = false): Method =>
  composeMethod({
    name: "test",
    student: vnet({ ...config, ...network }),
    teacher: {},
    ...(auxiliary ? { auxiliary: vnet({ ...config, seed: 5 }) } : {}),
    terms: [term],
  });

const open = (method: Method, step = 4) => {
  const random = new RandomStream(2);
  const labels = tf.tensor(
    Int32Array.from({ length: 512 }, (_, i) => (i % 16 < 5 ? 0 : i % 16 < 11 ? 1 : 2)),
    [2, 16, 16],
    "int32",
  );
  return createStepContext(
    method,
    {
      labeled: { image: random.normal([2, 16, 16, 1]), labels, ids: ["a", "b"] },
      unlabeled: { image: random.normal([2, 16, 16, 1]), ids: ["c", "d"] },
    },
    { step, maxSteps: 10, random: new RandomStream(1) },
  );
};
const number = (t: tf.Tensor): number => t.dataSync()[0]!;

describe("terms of mutual consistency", () => {
  it("refuse options that make no sense, by name", () => {
    expect(() => crossTaskTerm({ weight: -1 })).toThrow("weight");
    expect(() => crossTaskTerm({ steepness: 0 })).toThrow("steepness");
    expect(() => distanceMapTerm({ dice: 0, regression: 0 })).toThrow(OptionError);
    expect(() => mutualConsistencyTerm({ between: "all" as "decoders" })).toThrow("between");
    expect(() => crossPseudoSupervisionTerm({ on: "labeled" as "all" })).toThrow("on");
    expect(() => teacherConsistencyTerm({ noiseStd: -1 })).toThrow("noiseStd");
    expect(() => teacherConsistencyTerm({ uncertainty: { samples: 1.5 } })).toThrow("uncertainty.samples");
  });

  it("name the part they miss and the remedy", () => {
    for (const [term, lack] of [
      [mutualConsistencyTerm(), "decoder1"],
      [mutualConsistencyTerm({ between: "networks" }), "auxiliary"],
      [crossPseudoSupervisionTerm(), "auxiliary"],
    ] as const) {
      expect(() => build(term)).toThrow(CompatibilityError);
      expect(() => build(term)).toThrow(lack);
    }
    expect(() => build(crossTaskTerm(), { heads: [] })).toThrow("'distance' head");
    expect(() => build(crossTaskTerm({ uncertainty: true }), { dropout: 0 })).toThrow("dropout");
  });
});

eachBackend("terms of mutual consistency", () => {
  it("mutualConsistencyTerm sums the pairs of decoders, or compares two networks", () => {
    const decoders = build(mutualConsistencyTerm(), { decoders: ["transposed", "trilinear", "nearest"] });
    let context = open(decoders);
    const { logits, heads } = context.student.all();
    const p = [logits, heads["decoder1"]!, heads["decoder2"]!].map((x) => tf.softmax(x));
    const pair = (i: number, j: number) => number(mutualConsistencyLoss(p[i]!, p[j]!));
    expect(number(decoders.terms[0]!.loss(context))).toBeCloseTo(pair(0, 1) + pair(0, 2) + pair(1, 2), 5);
    context.dispose();
    const networks = build(mutualConsistencyTerm({ between: "networks" }), {}, true);
    context = open(networks);
    const expected = mutualConsistencyLoss(
      tf.softmax(context.student.all().logits),
      tf.softmax(context.auxiliary.all().logits),
    );
    expect(number(networks.terms[0]!.loss(context))).toBeCloseTo(number(expected), 6);
    context.dispose();
  });

  it("crossPseudoSupervisionTerm: each network's cross-entropy against the other's labels, on the part asked for", () => {
    for (const on of ["all", "unlabeled"] as const) {
      const method = build(crossPseudoSupervisionTerm({ on }), {}, true);
      const context = open(method);
      const [a, b] = [context.student, context.auxiliary].map((x) => (on === "all" ? x.all() : x.unlabeled()).logits);
      const entropy = (logits: tf.Tensor, other: tf.Tensor) => {
        const labels = tf.oneHot(tf.cast(tf.argMax(other, -1), "int32"), 3);
        return number(tf.neg(tf.mean(tf.sum(tf.mul(tf.logSoftmax(logits), labels), -1))));
      };
      expect(number(method.terms[0]!.loss(context)), on).toBeCloseTo(entropy(a!, b!) + entropy(b!, a!), 5);
      context.dispose();
    }
  });

  it("distanceMapTerm: Dice of the smooth inverse over foreground classes, plus the regression", () => {
    const both = build(distanceMapTerm({ dice: 2, regression: 0.3 }));
    const context = open(both);
    const distance = context.student.labeled().heads["distance"]!;
    const onehot = context.labeled.onehot.dataSync();
    const mask = distanceToProbability(distance).dataSync();
    let dice = 0;
    let squares = 0;
    const d = distance.dataSync();
    for (const c of [1, 2]) {
      const y = Float32Array.from({ length: 512 }, (_, i) => onehot[i * 3 + c]!);
      const truth = signedDistanceMap(tf.tensor(y, [2, 16, 16])).dataSync();
      let [inter, pp, yy] = [0, 0, 0];
      for (let i = 0; i < 512; i++) {
        const m = mask[i * 2 + c - 1]!;
        inter += m * y[i]!;
        pp += m * m;
        yy += y[i]!;
        squares += (d[i * 2 + c - 1]! - truth[i]!) ** 2;
      }
      dice += (1 - (2 * inter + 1e-5) / (pp + yy + 1e-5)) / 2;
    }
    expect(number(both.terms[0]!.loss(context))).toBeCloseTo(2 * dice + (0.3 * squares) / 1024, 4);
    context.dispose();
  });

  it("a noise-free teacher without dropout that equals the student: no loss and no gradient (U1, U12)", () => {
    const method = build(teacherConsistencyTerm({ noiseStd: 0 }), { dropout: 0 });
    const context = open(method);
    const trained = method.student.variables.filter((v) => v.trainable);
    const { value, grads } = tf.variableGrads(
      () => tf.add(method.terms[0]!.loss(context), tf.mul(0, tf.addN(trained.map((v) => tf.sum(v))))) as tf.Scalar,
      trained,
    );
    expect(number(value)).toBeCloseTo(0, 10);
    expect(number(tf.max(tf.stack(Object.values(grads).map((g) => tf.max(tf.abs(g))))))).toBeLessThan(1e-8);
    context.dispose();
  });

  it("coverage is logged, grows over the run and is full at its end (U5)", () => {
    const method = build(teacherConsistencyTerm({ uncertainty: { samples: 2 } }));
    for (const network of [method.student, method.teacher!.network])
      for (const [key, v] of network.named) if (key.startsWith("out_conv")) v.assign(tf.mul(v, 6));
    const coverage = [0, 5, 10].map((step) => {
      const context = createStepContext(
        method,
        {
          labeled: {
            image: new RandomStream(4).normal([1, 32, 32, 1]),
            labels: tf.zeros([1, 32, 32], "int32"),
            ids: ["a"],
          },
          unlabeled: null,
        },
        // The same draws at every step, so that only the threshold moves.
        { step, maxSteps: 10, random: { fork: () => new RandomStream(1) } as unknown as RandomStream },
      );
      method.terms[0]!.loss(context);
      const logged = number(context.logged.get("intra-task consistency/coverage") as tf.Scalar);
      context.dispose();
      return logged;
    });
    expect(coverage[0]).toBeGreaterThan(0);
    expect(coverage[0]).toBeLessThan(coverage[1]!);
    expect(coverage[1]).toBeLessThan(coverage[2]!);
    expect(coverage[2]).toBe(1);
  });
});
