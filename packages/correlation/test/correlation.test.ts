import { correlationMatrix, LabeledMemoryBank, omniCorrelationConsistency, topConfident } from "@semiseg/correlation";
import { CheckpointError, DataError, OptionError, ShapeError } from "@semiseg/errors";
import { RandomStream } from "@semiseg/nn";
import { eachBackend, gradientError, leakedTensors } from "@semiseg/test-utils";
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";

const near = (actual: ArrayLike<number>, expected: readonly number[]): void => {
  for (const [i, want] of expected.entries()) expect(actual[i], `entry ${i}`).toBeCloseTo(want, 5);
};
const scores = tf.tensor1d([0.9, 0.8, 0.7, 0.95]);
const labels = tf.tensor1d([0, 1, 0, 1], "int32");
const qV = tf.tensor2d([
  [0.1, 0],
  [0, 0.2],
  [0.1, 0.1],
  [0.2, 0],
]);
const qA = tf.tensor2d([
  [0.2, 0],
  [0, 0.1],
  [0, 0.1],
  [0.1, 0.1],
]);
const memories = [
  tf.tensor2d([
    [1, 0],
    [0.5, 0.5],
  ]),
  tf.tensor2d([
    [0, 1],
    [-1, 0],
  ]),
];
const value = (t: tf.Tensor): number => t.dataSync()[0]!;

eachBackend("correlation", () => {
  it("C5: rows, correlations and the loss", () => {
    const rows = topConfident({ scores, labels, numClasses: 2, limit: 10 });
    expect(rows).toEqual([
      [0, 2],
      [3, 1],
    ]);
    const order = tf.tensor1d(rows.flat(), "int32");
    const [cV, cA] = [qV, qA].map((q) => correlationMatrix(tf.gather(q, order), memories)) as [tf.Tensor, tf.Tensor];
    near(
      cV.dataSync(),
      [
        0.473991, 0.28749, 0.174371, 0.064148, 0.318945, 0.318945, 0.318945, 0.043165, 0.657233, 0.241783, 0.088947,
        0.012038, 0.082595, 0.224515, 0.610296, 0.082595,
      ],
    );
    near(
      cA.dataSync(),
      [
        0.657233, 0.241783, 0.088947, 0.012038, 0.15706, 0.258948, 0.426933, 0.15706, 0.318945, 0.318945, 0.318945,
        0.043165, 0.15706, 0.258948, 0.426933, 0.15706,
      ],
    );
    expect(value(omniCorrelationConsistency({ correlationA: cA, correlationV: cV }))).toBeCloseTo(1.3418862, 5);
    expect(value(omniCorrelationConsistency({ correlationA: cV, correlationV: cV }))).toBeCloseTo(1.0895732, 5);
  });

  it("C6: rows sum to 1, the loss is at least the target's entropy, the memory's order does not matter, null classes drop out", () => {
    const c = correlationMatrix(qV, memories);
    near(tf.sum(c, 1).dataSync(), [1, 1, 1, 1]);
    const loss = (m: (tf.Tensor | null)[]) =>
      value(
        omniCorrelationConsistency({ correlationA: correlationMatrix(qA, m), correlationV: correlationMatrix(qV, m) }),
      );
    const a = correlationMatrix(qA, memories);
    expect(loss(memories)).toBeGreaterThanOrEqual(value(tf.neg(tf.mean(tf.sum(tf.mul(a, tf.log(a)), 1)))) - 1e-6);
    expect(loss([tf.reverse(memories[0]!, 0), memories[1]!])).toBeCloseTo(loss(memories), 5);
    expect(loss([memories[1]!, memories[0]!])).toBeCloseTo(loss(memories), 5);
    expect(correlationMatrix(qV, [null, memories[1]!]).shape).toEqual([4, 2]);
    expect(() => correlationMatrix(qV, [null, null])).toThrow(OptionError);
    expect(() => correlationMatrix(qV, [tf.ones([3, 5])])).toThrow(ShapeError);
  });

  it("C8: both queries get a gradient, the auxiliary's none when the target is detached", () => {
    const loss = (detachTarget: boolean) => (v: tf.Tensor, a: tf.Tensor) =>
      omniCorrelationConsistency({
        correlationA: correlationMatrix(a, memories),
        correlationV: correlationMatrix(v, memories),
        detachTarget,
      });
    const norms = (detach: boolean) =>
      tf
        .grads((v: tf.Tensor, a: tf.Tensor) => tf.add(loss(detach)(v, a), tf.mul(tf.sum(a), 0)))([qV, qA])
        .map((g) => value(tf.max(tf.abs(g))));
    expect(norms(false).every((n) => n > 0)).toBe(true);
    const [v, a] = norms(true);
    expect(v).toBeGreaterThan(0);
    expect(a).toBe(0);
    expect(gradientError((x, y) => loss(false)(x!, y!), [qV, qA])).toBeLessThan(5e-3);
  });

  it("C10: only the best rows are taken, ties by index", () => {
    expect(topConfident({ scores, labels, numClasses: 3, limit: 1 })).toEqual([[0], [3], []]);
    expect(topConfident({ scores: tf.ones([4]), labels: tf.zeros([4], "int32"), numClasses: 1, limit: 3 })).toEqual([
      [0, 1, 2],
    ]);
    expect(() => topConfident({ scores, labels: tf.zeros([3], "int32"), numClasses: 2, limit: 1 })).toThrow(ShapeError);
  });

  it("C10: the best rows are those of a sort, with ties, negative scores and classes of every size", () => {
    const random = new RandomStream(8);
    const count = 3000;
    const values = Float32Array.from(random.normals(count), (v) => Math.round(v * 50) / 50);
    const classes = Int32Array.from(random.integers(-1, 3, count));
    for (const limit of [1, 2, 37, 700, count]) {
      const best = topConfident({
        scores: tf.tensor1d(values),
        labels: tf.tensor1d(classes, "int32"),
        numClasses: 3,
        limit,
      });
      for (const [c, rows] of best.entries()) {
        const all = Array.from({ length: count }, (_, i) => i).filter((i) => classes[i] === c);
        expect(rows).toEqual(all.sort((a, b) => values[b]! - values[a]! || a - b).slice(0, limit));
      }
    }
  });

  it("C9: 255 vectors of a class are none, 256 are all of them, whatever scans they are from", () => {
    const bank = new LabeledMemoryBank({ numClasses: 2 });
    const write = (id: string, from: number, count: number) =>
      bank.write(
        id,
        tf.tensor2d(
          Float32Array.from({ length: count }, (_, i) => from + i),
          [count, 1],
        ),
        tf.ones([count], "int32"),
      );
    write("a", 0, 200);
    write("b", 200, 55);
    expect(bank.sample(new RandomStream(1))).toEqual([null, null]);
    write("b", 200, 56);
    const [, drawn] = bank.sample(new RandomStream(1));
    expect([...drawn!.dataSync()].sort((x, y) => x - y)).toEqual(Array.from({ length: 256 }, (_, i) => i));
  });

  it("C9: a second visit replaces, too few vectors give null, all of them exactly once when there are just enough", () => {
    const bank = new LabeledMemoryBank({ numClasses: 2, perClass: 4 });
    const write = (id: string, count: number, from: number) =>
      bank.write(
        id,
        tf.tensor2d(
          Float32Array.from({ length: count }, (_, i) => from + i),
          [count, 1],
        ),
        tf.zeros([count], "int32"),
      );
    write("a", 3, 0);
    expect(bank.sample(new RandomStream(1))).toEqual([null, null]);
    write("a", 2, 100);
    expect(bank.count("a")).toBe(2);
    write("b", 2, 200);
    const [first, second] = bank.sample(new RandomStream(1));
    expect(Array.from(first!.dataSync()).sort()).toEqual([100, 101, 200, 201]);
    expect(second).toBeNull();
    expect(first!.dataSync()).toEqual(bank.sample(new RandomStream(1))[0]!.dataSync());
    const copy = new LabeledMemoryBank({ numClasses: 2, perClass: 4 });
    copy.state = JSON.parse(JSON.stringify(bank.state));
    expect(copy.sample(new RandomStream(1))[0]!.dataSync()).toEqual(first!.dataSync());
    expect(() => {
      new LabeledMemoryBank({ numClasses: 3 }).state = bank.state;
    }).toThrow(CheckpointError);
  });

  it("the bank can be bounded, refuses what does not fit, and holds no tensors", () => {
    const bank = new LabeledMemoryBank({ numClasses: 2, perClass: 1, capacityPerClass: 5 });
    const [e, y] = [
      tf.ones([40, 3]),
      tf.tensor1d(
        Array.from({ length: 40 }, (_, i) => i % 2),
        "int32",
      ),
    ];
    expect(
      leakedTensors(() => {
        bank.write("a", e, y);
        return bank.sample(new RandomStream(1)).filter((m) => m !== null);
      }),
    ).toBe(0);
    expect(bank.count("a")).toBe(10);
    expect(bank.bytes).toBe(10 * 3 * 4);
    expect(() => bank.write("b", tf.ones([2, 4]), tf.zeros([2], "int32"))).toThrow(ShapeError);
    expect(() => bank.write("b", tf.ones([2, 3]), tf.tensor1d([0, 2], "int32"))).toThrow(DataError);
  });

  it("the losses leave no tensors behind, and no rows give 0", () => {
    expect(
      leakedTensors(() =>
        tf.tidy(() =>
          omniCorrelationConsistency({
            correlationA: correlationMatrix(qA, memories),
            correlationV: correlationMatrix(qV, memories),
          }),
        ),
      ),
    ).toBe(0);
    expect(value(omniCorrelationConsistency({ correlationA: tf.zeros([0, 4]), correlationV: tf.zeros([0, 4]) }))).toBe(
      0,
    );
  });
});
