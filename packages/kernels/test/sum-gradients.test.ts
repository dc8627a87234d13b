import "@tensorflow/tfjs";
import { replaceSumGradients } from "@semiseg/kernels";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";

const SHAPE = [2, 3, 4, 5, 2];
const AXES = [undefined, [0], [1, 2], [4], [0, 1, 2, 3, 4], [3, 1], -2];

/** Gradient of a weighted sum of squares of the sums or means. */
function gradientOf(op: "sum" | "mean", axes: number | number[] | undefined, keepDims: boolean): number[] {
  return tf.tidy(() => {
    const values = Float32Array.from({ length: 240 }, (_, i) => Math.sin(i * 12.9898));
    const loss = (x: tf.Tensor) => {
      const s = (op === "sum" ? tf.sum : tf.mean)(x, axes, keepDims);
      return tf.sum(tf.mul(tf.square(s), tf.reshape(tf.range(1, s.size + 1), s.shape)));
    };
    return Array.from(tf.grad(loss)(tf.tensor(values, SHAPE)).dataSync());
  });
}

describe("replaceSumGradients", () => {
  const cases = (["sum", "mean"] as const).flatMap((op) =>
    AXES.flatMap((axes) => [false, true].map((keep) => ({ op, axes, keep }))),
  );
  let stock: number[][];
  let tiles = 0;
  beforeAll(async () => {
    await tf.setBackend("cpu");
    stock = cases.map(({ op, axes, keep }) => gradientOf(op, axes, keep));
    replaceSumGradients("cpu");
    const { runKernel } = tf.engine();
    tf.engine().runKernel = ((name: string, ...rest: [never, never]) => {
      if (name === "Tile") tiles++;
      return runKernel.call(tf.engine(), name, ...rest);
    }) as typeof runKernel;
  });

  it.each(cases.map((one, i) => ({ ...one, i })))(
    "gives tfjs's gradients: $op over $axes, $keep",
    ({ op, axes, keep, i }) => {
      const before = tiles;
      const received = gradientOf(op, axes, keep);
      expect(tiles).toBeGreaterThan(before);
      expect(received.length).toBe(240);
      for (const [k, v] of stock[i]!.entries()) expect(received[k]).toBeCloseTo(v, 3);
    },
  );

  it("leaves other engines tfjs's own", async () => {
    const own = gradientOf("mean", [1, 2], false);
    replaceSumGradients("another");
    expect(gradientOf("mean", [1, 2], false)).toEqual(own);
  });
});
