import { ShapeError } from "@semiseg/errors";
import { composeMethod, createStepContext, type StepContext, type Term } from "@semiseg/method";
import { RandomStream } from "@semiseg/nn";
import { eachBackend, leakedTensors } from "@semiseg/test-utils";
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import { tinyNetwork } from "./tiny-network.js";

const term: Term = {
  name: "consistency",
  needs: { teacher: true },
  weight: () => 1,
  loss: (c: StepContext) => tf.mean(tf.squaredDifference(c.student.all().logits, c.teacher.all().logits)) as tf.Scalar,
};
const options = { step: 0, maxSteps: 10 };
const batch = (withStrong: boolean) => {
  const random = new RandomStream(2);
  const [image, weak, strong] = [2, 2, 2].map((n) => random.normal([n, 4, 4, 1])) as [tf.Tensor, tf.Tensor, tf.Tensor];
  const labels = tf.zeros([2, 4, 4], "int32");
  return {
    labeled: { image, labels, ids: ["a", "b"] },
    unlabeled: { image: weak, ...(withStrong ? { strong } : {}), ids: ["c", "d"] },
  };
};

eachBackend("the strong view", () => {
  for (const passes of ["joint", "separate"] as const)
    it(`is what the student sees of unlabelled items; teacher and labelled items keep the weak one (${passes})`, () => {
      const method = composeMethod({
        name: "m",
        student: tinyNetwork({ dropout: 0 }),
        teacher: { decay: 0.9 },
        terms: [{ ...term, needs: { teacher: true, passes } }],
      });
      const outputs = (withStrong: boolean): number[][] => {
        const context = createStepContext(method, batch(withStrong), { ...options, random: new RandomStream(1) });
        const rows = [
          context.student.labeled(),
          context.student.unlabeled(),
          context.teacher.labeled(),
          context.teacher.unlabeled(),
        ].map((o) => Array.from(o.logits.dataSync()));
        context.dispose();
        return rows;
      };
      const [weak, strong] = [outputs(false), outputs(true)];
      const apart = weak.map((row, n) => Math.max(...row.map((x, v) => Math.abs(x - strong[n]![v]!))));
      expect(apart[1]).toBeGreaterThan(0.01);
      for (const n of [0, 2, 3]) expect(apart[n]).toBeLessThan(1e-6);
      expect(leakedTensors(() => void tf.tidy(() => void outputs(true)))).toBe(0);
    });

  it("must have the shape of the weak one", () => {
    const method = composeMethod({ name: "m", student: tinyNetwork(), terms: [{ ...term, needs: {} }] });
    const wrong = batch(true);
    const unlabeled = { ...wrong.unlabeled, strong: tf.zeros([2, 4, 3, 1]) };
    const open = () => createStepContext(method, { ...wrong, unlabeled }, { ...options, random: new RandomStream(1) });
    expect(open).toThrow(ShapeError);
    expect(open).toThrow(/unlabeled.strong must be \[2, 4, 4, 1\]/);
  });
});
