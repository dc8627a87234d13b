import { CompatibilityError, OptionError } from "@semiseg/errors";
import { crossEntropyLoss } from "@semiseg/losses";
import {
  checkBatch,
  composeMethod,
  createStepContext,
  ExponentialMovingAverage,
  methodGradients,
  NonFiniteLossError,
  polynomialDecay,
  type StepContext,
  sigmoidRampUp,
  type Term,
  teacherDistance,
} from "@semiseg/method";
import { moduleOf, RandomStream, sgd, withoutGradient } from "@semiseg/nn";
import { eachBackend, leakedTensors } from "@semiseg/test-utils";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { tinyNetwork } from "./tiny-network.js";

const term = (name: string, loss: (c: StepContext) => tf.Scalar, more: Partial<Term> = {}): Term => ({
  name,
  needs: {},
  weight: () => 1,
  loss,
  ...more,
});
const supervised = term("supervised", (c) => crossEntropyLoss(c.labeled.labels, c.student.labeled().logits));
const consistency = term(
  "consistency",
  (c) =>
    tf.mean(tf.squaredDifference(tf.softmax(c.student.all().logits), tf.softmax(c.teacher.all().logits))) as tf.Scalar,
  { needs: { teacher: true } },
);

const batch = (seed = 1) => {
  const random = new RandomStream(seed);
  const image = (n: number) => random.normal([n, 4, 4, 1]);
  const first = image(2);
  const labels = tf.tidy(() => tf.cast(tf.greater(tf.reshape(first, [2, 4, 4]), 0), "int32"));
  return { labeled: { image: first, labels, ids: ["a", "b"] }, unlabeled: { image: image(2), ids: ["c", "d"] } };
};
const at = (step: number) => ({ step, maxSteps: 10, random: new RandomStream(7) });

describe("schedules", () => {
  it("sigmoidRampUp has the published values and is 1 for length 0", () => {
    const values = [0, 10, 20, 30, 40, 99].map((step) => sigmoidRampUp(step, 40));
    for (const [i, want] of [0.006738, 0.060055, 0.286505, 0.731616, 1, 1].entries())
      expect(values[i]).toBeCloseTo(want, 6);
    expect(sigmoidRampUp(0, 0)).toBe(1);
    expect(sigmoidRampUp(-5, 40)).toBe(sigmoidRampUp(0, 40));
  });

  it("polynomialDecay gives ICL's learning rates", () => {
    const rates = [0, 1, 15000, 29999].map((step) => 0.01 * polynomialDecay(step, 30000));
    for (const [i, want] of [0.01, 0.0099996997, 0.0053588673, 9.345249e-7].entries())
      expect(rates[i]).toBeCloseTo(want, 9);
    expect(polynomialDecay(40000, 30000)).toBe(0);
  });

  it("refuse what is no number", () => {
    expect(() => sigmoidRampUp(Number.NaN, 1)).toThrow(OptionError);
    expect(() => sigmoidRampUp(1, -1)).toThrow("length");
    expect(() => polynomialDecay(1, 0)).toThrow("maxSteps");
  });
});

describe("composeMethod", () => {
  const student = tinyNetwork();
  it("refuses combinations that cannot work, naming both parts and the remedy", () => {
    const refuse = (config: object, ...words: string[]) => {
      const run = () => composeMethod({ name: "m", student, terms: [supervised], ...config } as never);
      expect(run).toThrow(CompatibilityError);
      for (const word of words) expect(run).toThrow(word);
    };
    const needing = (needs: object) => ({ terms: [term("t", supervised.loss, { needs })] });
    refuse({ terms: [] }, "no terms");
    refuse({ terms: [consistency] }, "'consistency'", "a teacher", "pass teacher");
    refuse({ terms: [supervised, supervised] }, "two terms are called 'supervised'");
    refuse(needing({ heads: ["distance"] }), "'t'", "'distance' head");
    refuse(needing({ features: ["gated"] }), "gated features", "attentionGates: true");
    refuse(needing({ scales: 4 }), "4 deep-supervision scales", "deepSupervision: true");
    refuse(needing({ auxiliary: true }), "auxiliary network");
    refuse(needing({ classes: { max: 1 } }), "at most 1 classes");
    refuse(needing({ spatialDims: [3] }), "3-D", "2-D");
    refuse({ student: tinyNetwork({ dropout: 0 }), ...needing({ dropout: true }) }, "dropout layers");
    refuse({ teacher: { mode: "eval" }, ...needing({ teacher: "dropout" }) }, "dropout that is on");
    refuse({ student: tinyNetwork({ classes: 1 }) }, "1 output class");
    refuse({ auxiliary: tinyNetwork({ classes: 3 }) }, "3 classes");
    refuse({ auxiliary: student }, "auxiliary network is the student itself");
    refuse(
      { teacher: { decay: 0 }, terms: [consistency] },
      "'consistency'",
      "lags behind",
      "set teacher.decay to 0.99",
    );
    refuse(
      needing({ embeddingChannels: { student: 9 } }),
      "'t'",
      "9 channels (it has 4)",
      "provides.embedding.channels",
    );
    refuse(
      {
        terms: [
          term("a", supervised.loss, { needs: { passes: "joint" } }),
          term("b", supervised.loss, { needs: { passes: "separate" } }),
        ],
      },
      "'a'",
      "'b'",
      "one pass",
    );
  });

  it("an auxiliary network must have the student's axes and channels", () => {
    const other = tinyNetwork();
    for (const [key, words] of [
      ["spatialDims", "3 spatial axes, the student 2"],
      ["inChannels", "3 input channels, the student 1"],
    ] as const)
      expect(() =>
        composeMethod({
          name: "m",
          student,
          auxiliary: { ...other, provides: { ...other.provides, [key]: 3 } } as typeof other,
          terms: [supervised],
        }),
      ).toThrow(words);
  });

  it("checkBatch refuses batches that the terms cannot work with, naming term, batch and remedy", () => {
    const method = (needs: Term["needs"]) =>
      composeMethod({ name: "m", student, terms: [supervised, term("t", supervised.loss, { needs })] });
    const refuse = (needs: Term["needs"], labeled: number, unlabeled: number, ...words: string[]) => {
      const run = () => checkBatch(method(needs), { labeled, unlabeled });
      expect(run).toThrow(CompatibilityError);
      for (const word of ["'t'", ...words]) expect(run).toThrow(word);
    };
    refuse({ unlabeled: true }, 2, 0, "unlabelled samples", "batch.unlabeled above 0");
    refuse({ equalHalves: true }, 2, 1, "2 labelled and 1 unlabelled", "set batch.unlabeled to 2");
    refuse({ equalHalves: "set pairing to 'batch'" }, 2, 1, "set batch.unlabeled to 2, or set pairing to 'batch'");
    refuse({ samples: 2 }, 1, 0, "at least 2 samples");
    expect(() => checkBatch(method({ equalHalves: true }), { labeled: 2, unlabeled: 0 })).not.toThrow();
    const all = { unlabeled: true, equalHalves: true, samples: 2 };
    expect(() => checkBatch(method(all), { labeled: 1, unlabeled: 1 })).not.toThrow();
  });

  it("refuses a teacher option that makes no sense", () => {
    expect(() => composeMethod({ name: "m", student, teacher: { decay: 1 }, terms: [supervised] })).toThrow(
      OptionError,
    );
    expect(() =>
      composeMethod({ name: "m", student, teacher: { buffers: "x" as never }, terms: [supervised] }),
    ).toThrow("buffers");
  });

  it("trains the student, the auxiliary and the terms' modules, never the teacher", () => {
    const extra = moduleOf({ w: tf.variable(tf.ones([3])) });
    const method = composeMethod({
      name: "m",
      student,
      teacher: {},
      auxiliary: tinyNetwork(),
      terms: [{ ...supervised, modules: { head: extra } }],
    });
    const names = [...method.trainable.named.keys()];
    expect(names).toContain("student.out.weight");
    expect(names).toContain("auxiliary.out.weight");
    expect(names).toContain("terms.supervised.head.w");
    expect(names.some((name) => name.startsWith("teacher"))).toBe(false);
  });
});

eachBackend("method", () => {
  it("an EMA teacher is the running mean until the decay takes over, and a copy after step 0", () => {
    const [source, target] = [1, 9].map((v) =>
      moduleOf({ w: tf.variable(tf.fill([3], v)), s: tf.variable(tf.fill([2], v), false) }),
    ) as [ReturnType<typeof moduleOf>, ReturnType<typeof moduleOf>];
    const ema = new ExponentialMovingAverage(source, target, { decay: 0.99 });
    const seen: number[] = [];
    for (const [step, value] of [1, 2, 3, 4].entries()) {
      for (const v of source.variables) v.assign(tf.fill(v.shape, value));
      ema.update(step);
      seen.push(target.variables[0]!.dataSync()[0]!);
      expect(target.variables[1]!.dataSync()[0]).toBe(value);
    }
    for (const [i, want] of [1, 1.5, 2, 2.5].entries()) expect(seen[i]).toBeCloseTo(want, 6);
    source.variables[0]!.assign(tf.fill([3], 50));
    expect(target.variables[0]!.dataSync()[0]).toBeCloseTo(2.5, 6);
    const before = tf.memory().numTensors;
    ema.update(5);
    expect(tf.memory().numTensors).toBe(before);
  });

  it("buffers can be averaged or left alone, and other architectures are refused", () => {
    for (const [buffers, want] of [
      ["ema", 3],
      ["own", 4],
    ] as const) {
      const [a, b] = [2, 4].map((v) => moduleOf({ s: tf.variable(tf.fill([2], v), false) })) as [
        ReturnType<typeof moduleOf>,
        ReturnType<typeof moduleOf>,
      ];
      new ExponentialMovingAverage(a, b, { buffers }).update(1);
      expect(b.variables[0]!.dataSync()[0]).toBeCloseTo(want, 6);
    }
    expect(() => new ExponentialMovingAverage(tinyNetwork(), tinyNetwork({ classes: 3 }))).toThrow(CompatibilityError);
  });

  it("teacherDistance is 0 after a copy, relative otherwise, and refuses another architecture", () => {
    const module = (v: number) =>
      moduleOf({ w: tf.variable(tf.fill([4], v)), s: tf.variable(tf.fill([2], 7 * v), false) });
    const [student, teacher] = [module(2), module(2)];
    expect(teacherDistance(student, teacher).dataSync()[0]).toBe(0);
    expect(teacherDistance(student, module(3)).dataSync()[0]).toBeCloseTo(0.5, 6);
    expect(() => teacherDistance(student, moduleOf({}))).toThrow(CompatibilityError);
    expect(leakedTensors(() => teacherDistance(student, teacher))).toBe(0);
  });

  it("a feature first read as a constant still carries gradients for the next reader", () => {
    const method = composeMethod({ name: "m", student: tinyNetwork(), terms: [supervised] });
    const context = createStepContext(method, batch(), at(0));
    context.student.all();
    const trained = method.student.variables.filter((v) => v.trainable);
    const { grads } = tf.variableGrads(() => {
      context.forgetGradients();
      withoutGradient(() => context.student.labeled().logits);
      context.forgetGradients();
      context.student.all();
      withoutGradient(() => context.student.labeled().logits);
      return tf.sum(tf.square(context.student.labeled().logits)) as tf.Scalar;
    }, trained);
    expect(Object.values(grads).some((g) => g.abs().max().dataSync()[0]! > 0)).toBe(true);
    context.dispose();
  });

  it("passes run once, halves are slices of one joint pass, and separate passes are joined", () => {
    for (const passes of ["joint", "separate"] as const) {
      const method = composeMethod({
        name: "m",
        student: tinyNetwork(),
        terms: [{ ...supervised, needs: { passes } }],
      });
      const context = createStepContext(method, batch(), at(0));
      const all = context.student.all();
      expect(context.student.all()).toBe(all);
      expect(context.student.on("all", context.image) === all).toBe(passes === "joint");
      const joined = tf.concat([context.student.labeled().logits, context.student.unlabeled().logits], 0);
      expect(joined.dataSync()).toEqual(all.logits.dataSync());
      context.dispose();
    }
  });

  it("dropout masks do not depend on the order in which terms ask, and resume with the step", () => {
    const method = composeMethod({ name: "m", student: tinyNetwork(), teacher: {}, terms: [supervised, consistency] });
    const b = batch();
    const logits = (first: "student" | "teacher", step: number) => {
      const context = createStepContext(method, b, at(step));
      context[first].all();
      const out = [context.student.all().logits.dataSync().slice(), context.teacher.all().logits.dataSync().slice()];
      context.dispose();
      return out;
    };
    expect(logits("student", 3)).toEqual(logits("teacher", 3));
    expect(logits("student", 3)).not.toEqual(logits("student", 4));
  });

  it("gradients reach the student and not the teacher, and equal those of the plain sum", async () => {
    const method = composeMethod({
      name: "m",
      student: tinyNetwork(),
      teacher: {},
      terms: [supervised, { ...consistency, weight: () => 0.5 }],
    });
    const context = createStepContext(method, batch(), at(0));
    const { total, terms, gradients } = await methodGradients(method, context, { gradientNorms: true });
    expect([...gradients.keys()].sort()).toEqual([...method.trainable.named.keys()].sort());
    expect(total).toBeCloseTo(terms[0]!.value + 0.5 * terms[1]!.value, 5);
    expect(terms.every((t) => t.gradientNorm! > 0)).toBe(true);
    tf.dispose([...gradients.values()]);
    context.dispose();
  });

  it("a step with gradient norms leaves no tensors behind", async () => {
    const method = composeMethod({ name: "m", student: tinyNetwork(), teacher: {}, terms: [supervised, consistency] });
    const step = async () => {
      const first = batch();
      const context = createStepContext(method, first, at(0));
      const { gradients } = await methodGradients(method, context, { gradientNorms: true });
      tf.dispose([...gradients.values()]);
      context.dispose();
      tf.dispose([first.labeled.image, first.labeled.labels, first.unlabeled.image]);
    };
    await step();
    const before = tf.memory().numTensors;
    await step();
    expect(tf.memory().numTensors).toBe(before);
  });

  it("a term of weight 0 is not evaluated", async () => {
    let calls = 0;
    const lazy = term(
      "late",
      () => {
        calls++;
        return tf.scalar(1);
      },
      { weight: (step) => (step < 5 ? 0 : 1) },
    );
    const method = composeMethod({ name: "m", student: tinyNetwork(), terms: [supervised, lazy] });
    const context = createStepContext(method, batch(), at(0));
    const { terms } = await methodGradients(method, context);
    expect([calls, terms[1]]).toEqual([0, { name: "late", value: 0, weight: 0 }]);
    context.dispose();
  });

  it("names the term whose loss is not finite and changes nothing", async () => {
    const broken = term("broken", () => tf.scalar(Number.NaN));
    const method = composeMethod({ name: "m", student: tinyNetwork(), terms: [supervised, broken] });
    const context = createStepContext(method, batch(), at(2));
    await expect(methodGradients(method, context)).rejects.toThrow(NonFiniteLossError);
    await expect(methodGradients(method, context)).rejects.toThrow("'broken' is NaN at step 2");
    context.dispose();
  });

  it("trains: the loss falls, two runs are equal, and no tensor is left behind over 100 steps", async () => {
    const run = async (): Promise<number[]> => {
      const method = composeMethod({
        name: "m",
        student: tinyNetwork({ dropout: 0.2 }),
        teacher: {},
        terms: [supervised, consistency],
      });
      const ema = new ExponentialMovingAverage(method.student, method.teacher!.network);
      const optimizer = sgd({ learningRate: 0.1, momentum: 0.9, weightDecay: 0 });
      const b = batch();
      const losses: number[] = [];
      let tensors = 0;
      for (let step = 0; step < 100; step++) {
        const context = createStepContext(method, b, { step, maxSteps: 100, random: new RandomStream(1) });
        const { total, gradients } = await methodGradients(method, context);
        optimizer.apply(gradients, method.trainable.named, step);
        tf.dispose([...gradients.values()]);
        context.log("value", tf.tidy(() => tf.scalar(total)) as tf.Scalar);
        context.dispose();
        ema.update(step);
        losses.push(total);
        if (step === 1) tensors = tf.memory().numTensors;
      }
      // The scalar that the test itself logs each step is the test's own.
      expect(tf.memory().numTensors).toBe(tensors + 98);
      optimizer.dispose();
      method.dispose();
      return losses;
    };
    const losses = await run();
    expect(losses.at(-1)).toBeLessThan(0.8 * losses[0]!);
    expect(await run()).toEqual(losses);
  });

  it("refuses batches that do not fit the student", () => {
    const method = composeMethod({ name: "m", student: tinyNetwork(), terms: [supervised] });
    const good = batch();
    const refuse = (labeled: object, word: string, unlabeled: unknown = null) =>
      expect(() =>
        createStepContext(method, { labeled: { ...good.labeled, ...labeled }, unlabeled } as never, at(0)),
      ).toThrow(word);
    refuse({ image: tf.zeros([2, 4, 4, 3]) }, "labeled.image");
    refuse({ labels: tf.zeros([2, 4, 5], "int32") }, "labeled.labels");
    refuse({ ids: ["a"] }, "labeled.ids");
    refuse({ image: tf.zeros([0, 4, 4, 1]), labels: tf.zeros([0, 4, 4], "int32"), ids: [] }, "no labelled sample");
    refuse({}, "unlabeled.image", { image: tf.zeros([2, 4, 8, 1]), ids: ["c", "d"] });
    const context = createStepContext(method, { ...good, unlabeled: null }, at(0));
    expect(() => context.student.unlabeled()).toThrow("unlabelled");
    expect(() => context.teacher.all()).toThrow("a teacher");
  });
});
