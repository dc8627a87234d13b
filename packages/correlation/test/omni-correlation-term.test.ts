import {
  correlationMatrix,
  embeddingHead,
  omniCorrelationConsistency,
  omniCorrelationTerm,
} from "@semiseg/correlation";
import { CheckpointError, CompatibilityError, DataError, OptionError, ShapeError } from "@semiseg/errors";
import { sigmoidRampUp } from "@semiseg/method";
import { RandomStream } from "@semiseg/nn";
import { eachBackend, gradientError, leakedTensors } from "@semiseg/test-utils";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { type FixedMethod, fixedMethod, type Said, voxels } from "./helpers/fixed-method.js";

const value = (t: tf.Tensor): number => t.dataSync()[0]!;
const embedding = (seed: number) => new RandomStream(seed).normal([voxels, 3]);
const LABELED = [0, 1, 0, 1, 0, 0, 1, 1];
const said = (seed: number, unlabeled = [0, 1, 1, 0, 1, 0, 0, 1], labeled = LABELED): Said => ({
  classes: [...labeled, ...unlabeled],
  embedding: embedding(seed),
});
const rowsOf = (t: tf.Tensor, rows: readonly number[]) => tf.gather(t, tf.tensor1d([...rows], "int32")) as tf.Tensor2D;

/** A head with the weights of one of the term's. */
function headOf({ term }: FixedMethod, role: "student" | "auxiliary", which: "projection" | "prediction") {
  const head = embeddingHead({
    inFeatures: which === "projection" ? 3 : 4,
    outFeatures: 4,
    random: new RandomStream(0),
  });
  for (const [name, variable] of head.named)
    variable.assign(tf.clone(term.modules![role]!.named.get(`${which}.${name}`)!));
  return head;
}

/** Queries as the paper has them: batch statistics over `seen`. */
function queries(method: FixedMethod, role: "student" | "auxiliary", seen: readonly number[]): tf.Tensor2D {
  const from = rowsOf((role === "student" ? method.v : method.a).embedding, seen);
  const training = { training: true, updateBuffers: false };
  const projected = headOf(method, role, "projection").apply(from, training);
  return headOf(method, role, "prediction").apply(projected, training) as tf.Tensor2D;
}

/** Puts the running statistics of all heads back to their start. */
function resetStatistics({ term }: FixedMethod): void {
  for (const module of Object.values(term.modules!))
    for (const [name, variable] of module.named) {
      if (name.endsWith("running_mean")) variable.assign(tf.zerosLike(variable));
      if (name.endsWith("running_var")) variable.assign(tf.onesLike(variable));
    }
}

describe("omniCorrelationTerm", () => {
  it("asks for two networks and an embedding, and rises from step 1 to 0.05 over the run", () => {
    const { term } = fixedMethod(said(1), said(2));
    expect(term.needs).toMatchObject({ features: ["embedding"], auxiliary: true, classes: { min: 2, max: 2 } });
    for (const step of [0, 29, 99, 200])
      expect(term.weight(step, 100)).toBeCloseTo(0.05 * sigmoidRampUp(step + 1, 100), 12);
    const { term: other } = fixedMethod(said(1), said(2), { weight: 2, rampLength: 10 });
    expect(other.weight(4, 100)).toBeCloseTo(2 * sigmoidRampUp(5, 10), 12);
    expect(other.weight(9, 100)).toBe(2);
  });

  it("has heads of 1,664 and 2,176 parameters for 16 channels, as published", () => {
    const { modules } = omniCorrelationTerm({ channels: 16, numClasses: 2, random: new RandomStream(1) });
    for (const role of ["student", "auxiliary"]) {
      const trained = [...modules![role]!.named].filter(([, variable]) => variable.trainable);
      const count = (which: string) =>
        trained.filter(([name]) => name.startsWith(which)).reduce((n, [, { size }]) => n + size, 0);
      expect([count("projection"), count("prediction")]).toEqual([1664, 2176]);
    }
  });

  it("refuses options that make no sense", () => {
    const build = (options: object) => () =>
      omniCorrelationTerm({ channels: 3, numClasses: 2, random: new RandomStream(1), ...options });
    for (const [name, bad] of [
      ["channels", 0],
      ["numClasses", 1],
      ["width", 1.5],
      ["rowsPerClass", 1],
      ["perClass", 1],
      ["temperature", 0],
      ["weight", -1],
      ["rampLength", -1],
      ["capacityPerClass", 0],
      ["auxiliaryChannels", -2],
    ] as const) {
      expect(build({ [name]: bad }), name).toThrow(OptionError);
      expect(build({ [name]: bad }), name).toThrow(name);
    }
  });
});

eachBackend("omniCorrelationTerm", () => {
  it("C9: remembers the mean projection, by running statistics, of labelled voxels that both networks get right", () => {
    const v = said(1, undefined, [0, 1, 1, 1, 0, 0, 1, 1]); // wrong at 2
    const a = said(2, undefined, [0, 0, 0, 1, 0, 0, 1, 1]); // wrong at 1
    const method = fixedMethod(v, a, { perClass: 3 });
    method.term.loss(method.context({ labels: LABELED }));
    const { bank } = method.term;
    expect([bank.count("s1"), bank.count("s2"), ...bank.counts]).toEqual([2, 4, 3, 3]);
    resetStatistics(method);
    const remembered = (rows: readonly number[]) => {
      const [p, q] = [v, a].map((s, i) =>
        headOf(method, i === 0 ? "student" : "auxiliary", "projection").apply(rowsOf(s.embedding, rows)),
      );
      return Array.from(tf.div(tf.add(p!, q!), 2).dataSync());
    };
    const { slots } = bank.state;
    expect(slots.map(({ id }) => id)).toEqual(["s1", "s2"]);
    for (const [i, rows] of [
      [0, 3],
      [4, 5, 6, 7],
    ].entries())
      for (const [k, want] of remembered(rows).entries()) expect(slots[i]!.embeddings[k]).toBeCloseTo(want, 5);
    // The next visit of s1 replaces what it held.
    v.embedding = embedding(9);
    const before = slots[0]!.embeddings;
    method.term.loss(method.context({ labels: LABELED, step: 1 }));
    expect(bank.count("s1")).toBe(2);
    expect(bank.state.slots[0]!.embeddings).not.toEqual(before);
  });

  it("is the consistency of correlations of the best agreeing voxels, the memory brought up to date first", () => {
    const a = said(2, [0, 1, 1, 0, 1, 0, 1, 0]); // the last two differ
    const method = fixedMethod(said(1), a, { perClass: 4 });
    const loss = value(method.term.loss(method.context()));
    // By confidence, classes in turn; all four stored vectors of each class, in whatever order.
    const order = [13, 11, 8, 12, 10, 9];
    const memories = method.term.bank.sample(new RandomStream(1));
    const [cV, cA] = (["student", "auxiliary"] as const).map((role) =>
      correlationMatrix(queries(method, role, order), memories),
    ) as [tf.Tensor, tf.Tensor];
    expect(loss).toBeCloseTo(value(omniCorrelationConsistency({ correlationA: cA, correlationV: cV })), 4);
    expect(loss).toBeGreaterThan(0);
  });

  it("parity runs the heads on every agreeing voxel, and changes nothing when none is left out", () => {
    const loss = (options: object) => {
      const method = fixedMethod(said(1), said(2), { perClass: 4, ...options });
      return { method, loss: value(method.term.loss(method.context())) };
    };
    expect(loss({ parity: true }).loss).toBeCloseTo(loss({}).loss, 4);
    const { method, loss: published } = loss({ parity: true, rowsPerClass: 2 });
    const all = [8, 9, 10, 11, 12, 13, 14, 15];
    const memories = method.term.bank.sample(new RandomStream(1));
    const chosen = [14, 13, 15, 12].map((row) => row - 8);
    const [cV, cA] = (["student", "auxiliary"] as const).map((role) =>
      correlationMatrix(rowsOf(queries(method, role, all), chosen), memories),
    ) as [tf.Tensor, tf.Tensor];
    expect(published).toBeCloseTo(value(omniCorrelationConsistency({ correlationA: cA, correlationV: cV })), 4);
    expect(Math.abs(published - loss({ rowsPerClass: 2 }).loss)).toBeGreaterThan(1e-3);
  });

  it("C10: only the most confident voxels of a class matter", () => {
    const loss = (change: number) => {
      const [v, a] = [said(1), said(2)];
      // Voxels 8 and 9 are the least confident of their classes.
      for (const s of [v, a]) {
        const moved = tf.buffer([voxels, 3]);
        for (const row of [8, 9]) moved.set(change, row, 0);
        s.embedding = tf.add(s.embedding, moved.toTensor());
      }
      const method = fixedMethod(v, a, { rowsPerClass: 3 });
      return value(method.term.loss(method.context()));
    };
    expect(loss(5)).toBe(loss(0));
  });

  it("C7: does not depend on how classes are numbered, with three of them too", () => {
    const unlabeled = [0, 1, 2, 0, 1, 2, 0, 1];
    const labeled = [0, 1, 2, 0, 1, 2, 0, 1];
    const loss = (order: readonly number[]) => {
      const to = (classes: readonly number[]) => classes.map((c) => order[c]!);
      const [v, a] = [1, 2].map((seed) => said(seed, to(unlabeled), to(labeled))) as [Said, Said];
      // All that is stored of the rarest class is drawn; the others are held to as many.
      const method = fixedMethod(v, a, { perClass: 2, capacityPerClass: 1 }, 3);
      return value(method.term.loss(method.context()));
    };
    expect(loss([0, 1, 2])).toBeGreaterThan(0);
    expect(loss([2, 0, 1])).toBeCloseTo(loss([0, 1, 2]), 4);
  });

  it("C8: gradients reach the unlabelled embeddings of both networks, never the labelled ones; the target's can be cut", () => {
    const norms = (detachTarget: boolean) => {
      const method = fixedMethod(said(1), said(2), { detachTarget });
      const variables = [method.v, method.a].map((s) => tf.variable(s.embedding));
      [method.v.embedding, method.a.embedding] = variables as unknown as [tf.Tensor, tf.Tensor];
      const { grads } = tf.variableGrads(
        () =>
          tf.add(
            method.term.loss(method.context()),
            tf.mul(tf.addN(variables.map((variable) => tf.sum(variable))), 0),
          ) as tf.Scalar,
        variables,
      );
      return variables.flatMap(({ name }) =>
        [0, 8].map((from) => value(tf.max(tf.abs(tf.slice(grads[name]!, from, 8))))),
      );
    };
    const [labeledV, unlabeledV, labeledA, unlabeledA] = norms(false);
    expect([labeledV, labeledA]).toEqual([0, 0]);
    expect(unlabeledV).toBeGreaterThan(0);
    expect(unlabeledA).toBeGreaterThan(0);
    const [, cutV, , cutA] = norms(true);
    expect(cutV).toBeGreaterThan(0);
    expect(cutA).toBe(0);
  });

  it("has the gradients of both embeddings, with parity too, and trains all heads' weights", () => {
    for (const parity of [false, true]) {
      const method = fixedMethod(said(1), said(2), { parity, rowsPerClass: 3 });
      const [keptV, keptA] = [method.v.embedding, method.a.embedding].map((e) => tf.slice(e, 0, 8)) as [
        tf.Tensor,
        tf.Tensor,
      ];
      const [moveV, moveA] = [method.v.embedding, method.a.embedding].map((e) => tf.slice(e, 8)) as [
        tf.Tensor,
        tf.Tensor,
      ];
      const loss = (x?: tf.Tensor, y?: tf.Tensor) => {
        // Running statistics move with the queries and enter the next memory.
        resetStatistics(method);
        method.v.embedding = tf.concat([keptV, x!]);
        method.a.embedding = tf.concat([keptA, y!]);
        return method.term.loss(method.context());
      };
      expect(gradientError(loss, [moveV, moveA], { step: 2e-3 }), `parity ${parity}`).toBeLessThan(2e-2);
      const modules = Object.values(method.term.modules!).flatMap((m) => m.variables.filter((v) => v.trainable));
      const { grads } = tf.variableGrads(() => loss(moveV, moveA), modules);
      expect(Object.keys(grads)).toHaveLength(modules.length);
      for (const [name, g] of Object.entries(grads)) expect(g.dataSync().every(Number.isFinite), name).toBe(true);
    }
  });

  it("C13: no memory, no agreement, a lone voxel and no unlabelled half give 0 with a gradient of 0", () => {
    const wrong = LABELED.map((c) => 1 - c);
    const cases: [string, FixedMethod, object][] = [
      ["empty memory", fixedMethod(said(1), said(2)), { labels: wrong }],
      ["no agreement", fixedMethod(said(1, Array(8).fill(0)), said(2, Array(8).fill(1))), {}],
      ["one voxel per class", fixedMethod(said(1), said(2, [0, 1, 0, 1, 0, 1, 1, 0])), {}],
      ["no unlabelled half", fixedMethod(said(1), said(2)), { unlabeled: false }],
    ];
    for (const [name, method, options] of cases)
      for (const parity of [false, true]) {
        const own = fixedMethod(method.v, method.a, { parity });
        const { value: loss, grads } = tf.variableGrads(() => own.term.loss(own.context(options)), [...own.scales]);
        const largest = Object.values(grads).map((g) => value(tf.abs(g)));
        expect([name, value(loss), ...largest]).toEqual([name, 0, ...largest.map(() => 0)]);
      }
    // A class that both memories lack drops out of the columns, one without two voxels out of the rows.
    const partial = fixedMethod(said(1, [0, 0, 0, 0, 0, 0, 0, 1]), said(2, [0, 0, 0, 0, 0, 0, 0, 1]));
    const loss = value(partial.term.loss(partial.context({ labels: [0, 0, 0, 0, 0, 0, 0, 0] })));
    expect(partial.term.bank.counts).toEqual([4, 0]);
    expect(loss).toBeGreaterThan(0);
    expect(loss).toBeLessThan(18.4207);
  });

  it("a second backward pass of a step gives the same loss and moves neither memory nor statistics", () => {
    const method = fixedMethod(said(1), said(2));
    const context = method.context();
    const first = value(method.term.loss(context));
    const held = () =>
      JSON.stringify([
        method.term.bank.state,
        Object.values(method.term.modules!).flatMap((m) => m.variables.map((v) => Array.from(v.dataSync()))),
      ]);
    const before = held();
    context.forgetGradients();
    expect(value(method.term.loss(context))).toBe(first);
    expect(held()).toBe(before);
    expect(Object.fromEntries(context.logged)).toEqual({ "omni correlation/memory": 8, "omni correlation/rows": 8 });
  });

  it("keeps at most so many vectors per class and scan as it is told", () => {
    const method = fixedMethod(said(1), said(2), { capacityPerClass: 1 });
    method.term.loss(method.context());
    expect(method.term.bank.counts).toEqual([2, 2]);
    expect(method.term.bank.bytes).toBe(4 * 4 * 4);
  });

  it("the memory goes through a checkpoint unchanged, and one of other classes or damaged is refused", () => {
    const method = fixedMethod(said(1), said(2));
    const { term } = method;
    const empty = term.state!.save();
    expect(empty.tensors!.size).toBe(0);
    term.loss(method.context());
    const before = tf.memory().numTensors;
    const { json, tensors } = term.state!.save();
    term.state!.save();
    const saved = term.state!.save();
    expect(tf.memory().numTensors).toBe(before + 1);
    const other = fixedMethod(said(3), said(4));
    const through = { json: JSON.parse(JSON.stringify(json)), tensors: saved.tensors! };
    other.term.state!.load(through);
    expect(other.term.bank.state).toEqual(term.bank.state);
    const [a, b] = [other, method].map((m) => m.term.bank.sample(new RandomStream(4)));
    for (const [c, memory] of a!.entries()) expect(memory!.dataSync()).toEqual(b![c]!.dataSync());
    other.term.state!.load(empty);
    expect(other.term.bank.counts).toEqual([0, 0]);
    const three = fixedMethod(said(1), said(2), {}, 3);
    expect(() => three.term.state!.load(through)).toThrow(CheckpointError);
    expect(() => other.term.state!.load({ json, tensors: new Map() })).toThrow(CheckpointError);
    expect(tensors!.size).toBe(1);
    term.afterStep!(method.context());
    expect(saved.tensors!.get("embeddings")!.isDisposed).toBe(true);
  });

  it("refuses a scan that is twice in a batch, a batch of one and networks it was not built for", () => {
    const method = fixedMethod(said(1), said(2));
    expect(() => method.term.loss(method.context({ ids: ["s1", "s1"] }))).toThrow(DataError);
    expect(() => method.term.loss(method.context({ ids: ["s1", "s1"] }))).toThrow("'s1' is twice");
    expect(() => method.term.loss(method.context({ ids: ["s1"], unlabeled: false }))).toThrow(DataError);
    const compose = (options: object) => () => fixedMethod(said(1), said(2), options);
    expect(compose({ numClasses: 4 })).toThrow(CompatibilityError);
    expect(compose({ channels: 5 })).toThrow("an embedding of 5 channels (it has 3), which the student network");
    expect(compose({ auxiliaryChannels: 5 })).toThrow(
      "an embedding of 5 channels (it has 3), which the auxiliary network",
    );
    expect(() => headOf(method, "student", "projection").apply(tf.ones([1, 3]), { training: true })).toThrow(
      ShapeError,
    );
  });

  it("leaves no tensors behind, backward pass included", () => {
    for (const parity of [false, true]) {
      const method = fixedMethod(said(1), said(2), { parity });
      const modules = Object.values(method.term.modules!).flatMap((m) => m.variables.filter((v) => v.trainable));
      expect(
        leakedTensors(() =>
          tf.tidy(() => {
            const context = method.context();
            const { value: loss } = tf.variableGrads(() => method.term.loss(context), modules);
            context.dispose();
            return loss;
          }),
        ),
      ).toBe(0);
    }
  });
});
