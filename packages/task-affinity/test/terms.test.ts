import { ShapeError } from "@semiseg/errors";
import {
  checkBatch,
  composeMethod,
  createStepContext,
  type OwnedStepContext,
  type StepBatch,
  type Term,
} from "@semiseg/method";
import { type FeatureSpec, moduleOf, type Network, RandomStream } from "@semiseg/nn";
import {
  type AffinityTermOptions,
  attentionGate,
  channelDiceLoss,
  channelDiceTerm,
  classRepresentations,
  contextualAffinityTerm,
  type Pairing,
  structuralAffinityTerm,
  taskAffinityLoss,
} from "@semiseg/task-affinity";
import { eachBackend, gradientError, leakedTensors } from "@semiseg/test-utils";
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";

const random = new RandomStream(5);
const normal = (shape: number[]): tf.Tensor => random.normal(shape);
const value = (t: tf.Tensor): number => t.dataSync()[0]!;
const largest = (t: tf.Tensor): number => value(tf.max(tf.abs(t)));
const near = (actual: ArrayLike<number>, expected: ArrayLike<number>, digits = 5): void => {
  for (const [i, want] of Array.from(expected).entries()) expect(actual[i], `entry ${i}`).toBeCloseTo(want, digits);
};

/** What a network of nothing but variables holds: logits and features of a whole batch, labelled samples first. */
interface Contents {
  readonly logits: tf.Tensor;
  readonly encoder?: Readonly<Record<string, tf.Tensor>>;
  readonly gated?: Readonly<Record<string, tf.Tensor>>;
}

/** A network whose features are variables, so that a term can be asked for its gradient in each. */
function networkOf({ logits, encoder = {}, gated = {} }: Contents): Network {
  const variables = { logits: tf.variable(logits) } as Record<string, tf.Variable>;
  for (const [name, t] of Object.entries({ ...encoder, ...gated })) variables[name] = tf.variable(t);
  const specs = (tensors: Readonly<Record<string, tf.Tensor>>): FeatureSpec[] =>
    Object.entries(tensors).map(([name, t]) => ({
      name,
      stride: logits.shape[1]! / t.shape[1]!,
      channels: t.shape.at(-1)!,
    }));
  const network: Network = {
    ...moduleOf({}),
    named: new Map(Object.entries(variables)),
    variables: Object.values(variables),
    config: {},
    provides: {
      spatialDims: (logits.rank - 2) as 2 | 3,
      inChannels: 1,
      classes: logits.shape.at(-1)!,
      dropout: false,
      normalization: "none",
      divisor: 1,
      encoder: specs(encoder),
      decoder: [],
      gated: specs(gated),
      scales: [],
      embedding: { name: "none", stride: 1, channels: 1 },
      heads: [],
    },
    apply: () => {
      const { logits: z, ...features } = Object.fromEntries(
        Object.entries(variables).map(([k, v]) => [k, tf.clone(v)]),
      );
      return { logits: z!, features, heads: {} };
    },
    clone: () => network,
  };
  return network;
}

interface Step {
  readonly term: Term;
  readonly context: OwnedStepContext;
  readonly loss: number;
  /** Of the unweighted term, by variable; 0 where nothing arrives. */
  readonly gradient: (name: string) => Float32Array;
}

/** A term on variables and labels `[B_l, ...S]`; the rest of the batch is unlabelled. */
function stepOf(term: Term, contents: Contents, labels: tf.Tensor): Step {
  const network = networkOf(contents);
  const method = composeMethod({ name: "m", student: network, terms: [term] });
  const { shape } = contents.logits;
  const count = labels.shape[0]!;
  const image = tf.zeros([...shape.slice(0, -1), 1]);
  const ids = (n: number) => Array.from({ length: n }, (_, i) => `${i}`);
  const rest = shape[0]! - count;
  const batch: StepBatch = {
    labeled: { image: tf.slice(image, 0, count), labels, ids: ids(count) },
    unlabeled: rest > 0 ? { image: tf.slice(image, count, rest), ids: ids(rest) } : null,
  };
  const context = createStepContext(method, batch, { step: 0, maxSteps: 1, random: new RandomStream(0) });
  const { value: loss, grads } = tf.variableGrads(() => term.loss(context), [...network.variables]);
  const gradient = (name: string): Float32Array => {
    const variable = network.named.get(name)!;
    const found = grads[variable.name] as tf.Tensor | null;
    return (found ?? tf.zerosLike(variable)).dataSync() as Float32Array;
  };
  return { term, context, loss: value(loss), gradient };
}

// T1: two labelled samples with features FL and classes Y, two unlabelled ones with features FU and scores P.
const FL = [1, 2, 3, 4, 2, 2, 0, 4];
const FU = [0, 1, 2, 3, 1, 1, 1, 5];
const LABELS = tf.tensor([0, 0, 1, 1, 0, 0, 0, 1], [2, 1, 4], "int32");
const SCORES = [0.9, 0.8, 0.2, 0.1, 0.7, 0.6, 0.5, 0.2];
const T1: Contents = {
  logits: tf.tensor(
    [...Array(16).fill(0), ...SCORES.flatMap((p) => [Math.log(p / (1 - p)), Math.log((1 - p) / p)])],
    [4, 1, 4, 2],
  ),
  encoder: { x1: tf.tensor([...FL, ...FU], [4, 1, 4, 1]) },
};
const T1_GRADIENT = [-0.0404166, -0.0527083, -0.1264583, -0.1387499, -0.01, -0.0091667, -0.0083333, -0.0058333];

/** Three scales of two views, three classes. */
const scales = (): Contents => ({
  logits: normal([4, 8, 4, 3]),
  encoder: { x1: normal([4, 8, 4, 2]), x2: normal([4, 4, 2, 3]), x3: normal([4, 2, 1, 5]) },
  gated: { x2a: normal([4, 4, 2, 3]), x1a: normal([4, 8, 4, 2]) },
});
const labelsOf = (contents: Contents, count = 2): tf.Tensor =>
  tf.cast(tf.argMax(normal([count, ...contents.logits.shape.slice(1)]), -1), "int32");

/** The term written down plainly: every level's guides by strided slices, no sharing, no gradient of its own. */
function plainly(
  contents: Contents,
  labels: tf.Tensor,
  view: "encoder" | "gated",
  options: AffinityTermOptions,
): tf.Scalar {
  const { pairing = "batch", maskAbsent = true, activation = "softmax" } = options;
  const { logits } = contents;
  const count = labels.shape[0]!;
  const onehot = tf.oneHot(tf.cast(labels, "int32"), logits.shape.at(-1)!);
  const scores = activation === "softmax" ? tf.softmax(logits) : tf.sigmoid(logits);
  const at = (t: tf.Tensor, [h, w]: number[]): tf.Tensor => {
    const rows = Array.from({ length: h! }, (_, i) => Math.floor((i * t.shape[1]!) / h!));
    const columns = Array.from({ length: w! }, (_, i) => Math.floor((i * t.shape[2]!) / w!));
    return tf.gather(tf.gather(t, rows, 1), columns, 2);
  };
  const losses = Object.values(contents[view]!).map((f) => {
    const size = f.shape.slice(1, -1);
    return taskAffinityLoss({
      labeled: classRepresentations(tf.slice(f, 0, count), at(tf.cast(onehot, "float32"), size), { pairing }),
      unlabeled: classRepresentations(tf.slice(f, count), at(tf.slice(scores, count), size), { pairing }),
      pairing,
      maskAbsent,
    });
  });
  return tf.addN(losses) as tf.Scalar;
}

eachBackend("terms of TAC", () => {
  it("T1 and B8.2: loss and gradient of the released form, through guide and features of a joint pass", () => {
    const options = { pairing: "code", maskAbsent: false } as const;
    expect(stepOf(contextualAffinityTerm(options), T1, LABELS).loss).toBeCloseTo(0.3804511, 5);
    const { gradient } = stepOf(contextualAffinityTerm({ ...options, detachGuide: true }), T1, LABELS);
    near(gradient("x1").slice(8), T1_GRADIENT);
    for (const [pairing, want] of [
      ["sample", 1.0223587],
      ["batch", 0.8236798],
    ] as const)
      expect(stepOf(contextualAffinityTerm({ pairing }), T1, LABELS).loss).toBeCloseTo(want, 5);
    const gated = { logits: T1.logits, gated: { x1a: T1.encoder!["x1"]! } };
    expect(stepOf(structuralAffinityTerm(options), gated, LABELS).loss).toBeCloseTo(0.3804511, 5);
  });

  it("adds up its levels: values and gradients are those of the plain formulas, in every pairing and activation", () => {
    const contents = scales();
    const labels = labelsOf(contents);
    for (const [make, view] of [
      [structuralAffinityTerm, "gated"],
      [contextualAffinityTerm, "encoder"],
    ] as const)
      for (const options of [
        { pairing: "batch" },
        { pairing: "code", maskAbsent: false },
        { pairing: "sample", activation: "sigmoid" },
      ] as const) {
        const { loss, gradient } = stepOf(make(options), contents, labels);
        expect(loss).toBeCloseTo(value(plainly(contents, labels, view, options)), 5);
        const names = Object.keys(contents[view]!);
        const tensors = [contents.logits, ...Object.values(contents[view]!)];
        const wanted = tf.grads((logits: tf.Tensor, ...features: tf.Tensor[]) => {
          const entries = names.map((name, i) => [name, features[i]!] as const);
          return plainly({ logits, [view]: Object.fromEntries(entries) }, labels, view, options);
        })(tensors);
        for (const [i, name] of ["logits", ...names].entries()) near(gradient(name), wanted[i]!.dataSync(), 6);
      }
  });

  it("takes guides to odd sizes by floor(i * in / out)", () => {
    const contents = { logits: normal([3, 5, 4, 3]), encoder: { x1: normal([3, 5, 4, 2]), x2: normal([3, 2, 3, 2]) } };
    const labels = labelsOf(contents, 1);
    expect(stepOf(contextualAffinityTerm(), contents, labels).loss).toBeCloseTo(
      value(plainly(contents, labels, "encoder", {})),
      5,
    );
  });

  it("gradients agree with numeric ones in logits and features", () => {
    const contents = scales();
    const labels = labelsOf(contents);
    const { x1, x2 } = contents.encoder! as Record<string, tf.Tensor>;
    for (const pairing of ["batch", "code", "sample"] as Pairing[]) {
      const { gradient } = stepOf(contextualAffinityTerm({ pairing }), contents, labels);
      const at = (logits: tf.Tensor, a: tf.Tensor, b: tf.Tensor) =>
        stepOf(
          contextualAffinityTerm({ pairing }),
          { ...contents, logits, encoder: { ...contents.encoder, x1: a, x2: b } },
          labels,
        ).loss;
      // One direction through everything: central differences of the loss against the gradient's inner product with it.
      const [dz, da, db] = [contents.logits, x1!, x2!].map((t) => normal(t.shape));
      const moved = (s: number) =>
        at(tf.add(contents.logits, tf.mul(dz!, s)), tf.add(x1!, tf.mul(da!, s)), tf.add(x2!, tf.mul(db!, s)));
      const numeric = (moved(0.01) - moved(-0.01)) / 0.02;
      const inner = (
        [
          ["logits", dz!],
          ["x1", da!],
          ["x2", db!],
        ] as const
      ).reduce((all, [name, d]) => all + value(tf.sum(tf.mul(d, tf.tensor(gradient(name), d.shape)))), 0);
      expect(Math.abs(inner - numeric)).toBeLessThan(0.01 * Math.max(0.05, Math.abs(numeric)));
    }
  });

  it("B8.10: both halves and the prediction get gradients; detachGuide and detachLabeled give exact zeros", () => {
    const contents = scales();
    const labels = labelsOf(contents);
    const halves = (step: Step, name: string) => {
      const gradient = step.gradient(name);
      return [gradient.slice(0, gradient.length / 2), gradient.slice(gradient.length / 2)].map((half) =>
        Math.max(...half.map(Math.abs)),
      ) as [number, number];
    };
    const whole = stepOf(contextualAffinityTerm(), contents, labels);
    expect(Math.min(...halves(whole, "x1"))).toBeGreaterThan(0);
    // Guides of the labelled half are its labels.
    expect(halves(whole, "logits")[0]).toBe(0);
    expect(halves(whole, "logits")[1]).toBeGreaterThan(0);
    const constant = stepOf(contextualAffinityTerm({ detachGuide: true }), contents, labels);
    expect(halves(constant, "logits")).toEqual([0, 0]);
    expect(Math.min(...halves(constant, "x1"))).toBeGreaterThan(0);
    const oneWay = stepOf(contextualAffinityTerm({ detachLabeled: true }), contents, labels);
    for (const name of ["x1", "x2", "x3"]) {
      expect(halves(oneWay, name)[0]).toBe(0);
      expect(halves(oneWay, name)[1]).toBeGreaterThan(0);
    }
    expect([constant.loss, oneWay.loss]).toEqual([whole.loss, whole.loss]);
  });

  it("B8.7: a class without labels is left out, with a gradient of exactly 0 for it", () => {
    const none = tf.zeros([2, 1, 4], "int32");
    const at = (maskAbsent: boolean) => contextualAffinityTerm({ pairing: "code", maskAbsent, detachGuide: true });
    expect(stepOf(at(false), T1, none).loss).toBeCloseTo(0.9528121, 5);
    expect(stepOf(at(true), T1, none).loss).toBeCloseTo(0.4278125, 5);
    // An unlabelled half that holds class 1 alone has nothing to be compared with.
    const logits = tf.tensor(
      Array.from({ length: 32 }, (_, i) => (i % 2 ? 40 : -40)),
      [4, 1, 4, 2],
    );
    const alone = stepOf(at(true), { ...T1, logits }, none);
    expect(alone.loss).toBe(0);
    expect(Math.max(...alone.gradient("x1").map(Math.abs))).toBe(0);
  });

  it("B8.4: halves with the same features and guides lose nothing; twice the features lose four times as much", () => {
    const labels = tf.tensor([0, 1, 1, 0], [1, 1, 4], "int32");
    const sure = [40, -40, -40, 40, -40, 40, 40, -40];
    const same: Contents = {
      logits: tf.tensor([...sure, 40, -40, -40, 40, -40, 40, 40, -40], [2, 1, 4, 2]),
      encoder: { x1: tf.tensor([1, 2, 3, 4, 1, 2, 3, 4], [2, 1, 4, 1]) },
    };
    const { loss, gradient } = stepOf(contextualAffinityTerm(), same, labels);
    expect(loss).toBe(0);
    expect(Math.max(...gradient("x1").map(Math.abs))).toBe(0);
    const twice = { ...T1, encoder: { x1: tf.mul(T1.encoder!["x1"]!, 2) } };
    expect(stepOf(contextualAffinityTerm(), twice, LABELS).loss).toBeCloseTo(4 * 0.8236798, 4);
  });

  it("logs the norm of the class vectors of every level, and how far apart classes are", () => {
    const contents = scales();
    const { logged } = stepOf(contextualAffinityTerm(), contents, labelsOf(contents)).context;
    expect([...logged.keys()]).toEqual(
      ["x1", "x2", "x3"].flatMap((level) =>
        ["labeled norm", "unlabeled norm", "unlabeled spread"].map((what) => `class vectors/${level}/${what}`),
      ),
    );
    for (const [name, v] of logged) expect(value(v as tf.Scalar), name).toBeGreaterThan(0);
    const zero = { ...contents, encoder: { x1: tf.zeros([4, 8, 4, 2]) } };
    const collapsed = stepOf(contextualAffinityTerm(), zero, labelsOf(zero)).context;
    for (const [name, v] of collapsed.logged) expect(value(v as tf.Scalar), name).toBe(0);
  });

  it("without unlabelled samples the loss is 0 and nothing moves", () => {
    const contents = { logits: normal([2, 8, 4, 3]), encoder: { x1: normal([2, 8, 4, 2]) } };
    for (const pairing of ["batch", "code"] as Pairing[]) {
      const { loss, gradient } = stepOf(contextualAffinityTerm({ pairing }), contents, labelsOf(contents));
      expect(loss + 0).toBe(0); // or -0
      for (const name of ["logits", "x1"]) expect(Math.max(...gradient(name).map(Math.abs))).toBe(0);
    }
  });

  it("refuses unequal halves where samples are compared, with the remedy, before the first step and in it", () => {
    const contents = { logits: normal([3, 8, 4, 3]), encoder: { x1: normal([3, 8, 4, 2]) } };
    const labels = labelsOf(contents);
    for (const pairing of ["code", "sample"] as Pairing[]) {
      const term = contextualAffinityTerm({ pairing });
      const method = composeMethod({ name: "m", student: networkOf(contents), terms: [term] });
      const words = "set batch.unlabeled to 2, or set the term's pairing to 'batch'";
      expect(() => checkBatch(method, { labeled: 2, unlabeled: 1 })).toThrow(words);
      expect(() => checkBatch(method, { labeled: 2, unlabeled: 2 })).not.toThrow();
      expect(() => stepOf(term, contents, labels)).toThrow(ShapeError);
      expect(() => stepOf(term, contents, labels)).toThrow("use pairing 'batch' or equal batch sizes");
    }
    expect(stepOf(contextualAffinityTerm(), contents, labels).loss).toBeGreaterThan(0);
  });

  it("refuses options that make no sense", () => {
    expect(() => structuralAffinityTerm({ pairing: "none" as never })).toThrow("pairing");
    expect(() => structuralAffinityTerm({ activation: "relu" as never })).toThrow("activation");
    expect(() => contextualAffinityTerm({ weight: -1 })).toThrow("contextualAffinityTerm: weight");
    const weights = (options: AffinityTermOptions) =>
      [structuralAffinityTerm(options), contextualAffinityTerm(options)].map(({ weight }) => weight(0, 1));
    expect([weights({}), weights({ pairing: "code" }), weights({ weight: 3 })]).toEqual([
      [0.25, 0.125],
      [1, 0.5],
      [3, 3],
    ]);
  });

  it("leaves no tensors in a step", () => {
    const contents = scales();
    const labels = labelsOf(contents);
    const network = networkOf(contents);
    const terms = [structuralAffinityTerm({ detachLabeled: true }), contextualAffinityTerm(), channelDiceTerm()];
    const method = composeMethod({ name: "m", student: network, terms });
    const image = tf.zeros([2, 8, 4, 1]);
    const batch = { labeled: { image, labels, ids: ["a", "b"] }, unlabeled: { image, ids: ["c", "d"] } };
    const step = (): tf.TensorContainer => {
      const context = createStepContext(method, batch, { step: 0, maxSteps: 1, random: new RandomStream(0) });
      const { value: loss, grads } = tf.variableGrads(
        () => tf.addN(terms.map((term) => term.loss(context))) as tf.Scalar,
        [...network.variables],
      );
      context.dispose();
      return [loss, ...Object.values(grads)];
    };
    expect(leakedTensors(step)).toBe(0);
  });
});

eachBackend("channelDiceLoss", () => {
  // Class 0 has logits [2, -1] at the two voxels, class 1 [-2, 1].
  const logits = tf.tensor([2, -2, -1, 1], [1, 1, 2, 2]);
  const labels = tf.tensor([0, 1], [1, 1, 2], "int32");

  it("B8.12: adds the Dice losses of both channels, of sigmoids for two classes", () => {
    expect(value(channelDiceLoss(labels, logits))).toBeCloseTo(0.0468247 + 0.0558796, 6);
    expect(value(channelDiceLoss(labels, logits, { activation: "softmax" }))).toBeLessThan(0.1);
  });

  it("uses a softmax for more classes, and adds a cross-entropy where asked", () => {
    const z = normal([2, 2, 3, 3]);
    const y = labelsOf({ logits: z });
    const p = tf.softmax(z);
    const onehot = tf.oneHot(tf.cast(y, "int32"), 3);
    const perClass = tf.sub(
      1,
      tf.div(
        tf.mul(2, tf.sum(tf.mul(p, onehot), [0, 1, 2])),
        tf.add(tf.sum(tf.square(p), [0, 1, 2]), tf.sum(onehot, [0, 1, 2])),
      ),
    );
    expect(value(channelDiceLoss(y, z))).toBeCloseTo(value(tf.sum(perClass)), 4);
    const added = value(channelDiceLoss(y, z, { crossEntropyWeight: 2 })) - value(channelDiceLoss(y, z));
    expect(added).toBeCloseTo(2 * value(tf.neg(tf.mean(tf.sum(tf.mul(onehot, tf.logSoftmax(z)), -1)))), 4);
    // Binary cross-entropies of the four channels: ln(1 + e^-2) and ln(1 + e^-1), twice each.
    const binary =
      value(channelDiceLoss(labels, logits, { crossEntropyWeight: 1 })) - value(channelDiceLoss(labels, logits));
    expect(binary).toBeCloseTo((Math.log1p(Math.exp(-2)) + Math.log1p(Math.exp(-1))) / 2, 5);
  });

  it("has gradients that agree with numeric ones, refuses bad input, leaves no tensors", () => {
    const z = normal([1, 2, 2, 2]);
    const y = labelsOf({ logits: z }, 1);
    for (const activation of ["sigmoid", "softmax"] as const)
      expect(gradientError((x) => channelDiceLoss(y, x, { activation, crossEntropyWeight: 0.5 }), [z])).toBeLessThan(
        1e-2,
      );
    expect(() => channelDiceLoss(tf.zeros([1, 2], "int32"), z)).toThrow("yTrue");
    expect(() => channelDiceLoss(y, z, { activation: "tanh" as never })).toThrow("activation");
    expect(leakedTensors(() => channelDiceLoss(y, z, { crossEntropyWeight: 1 }))).toBe(0);
  });
});

eachBackend("attentionGate of this package", () => {
  it("B8.9: factors .5, .8807950, .9820131 with unit weights", () => {
    const gate = attentionGate({ spatialDims: 2, channels: 1, intermediate: 1 });
    for (const [name, v] of gate.named)
      if (/\.[01]\.weight$|running_var$/.test(name)) v.assign(tf.onesLike(v));
      else v.assign(tf.zerosLike(v));
    const row = (values: number[]) => tf.tensor(values, [1, 1, 3, 1]);
    near(gate.apply(row([-2, 0, 1]), row([1, 2, 3])).dataSync(), [0.5, 1.76159, 2.9460393], 6);
    expect(largest(gate.apply(row([1, 1, 1]), row([0, 0, 0])))).toBe(0);
  });
});
