import { unet, vnet } from "@semiseg/backbones";
import { composeMethod, createStepContext } from "@semiseg/method";
import { reliableTeacherVoxels, teacherConsistencyTerm } from "@semiseg/mutual-consistency";
import { RandomStream } from "@semiseg/nn";
import { eachBackend } from "@semiseg/test-utils";
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";

/** The most bytes that tensors hold during `f`, beyond those held before. */
function peakBytes(f: () => void): number {
  const engine = tf.engine() as unknown as { trackTensor?: (...args: unknown[]) => void; state: { numBytes: number } };
  const { trackTensor } = engine;
  const before = engine.state.numBytes;
  let peak = before;
  engine.trackTensor = function (this: unknown, ...args: unknown[]) {
    trackTensor!.apply(this, args);
    peak = Math.max(peak, engine.state.numBytes);
  };
  try {
    f();
  } finally {
    delete engine.trackTensor;
  }
  return peak - before;
}

eachBackend("memoryBudget", () => {
  it("bounds what the teacher's uncertainty holds at a time, for V-Net and U-Net, and larger budgets join more passes", () => {
    for (const student of [
      vnet({ spatialDims: 2, baseFilters: 4 }),
      unet({ spatialDims: 2, baseFilters: 4, heads: ["distance"] }),
    ]) {
      const method = composeMethod({
        name: "test",
        student,
        teacher: {},
        terms: [teacherConsistencyTerm({ uncertainty: true })],
      });
      const { network } = method.teacher!;
      const { apply } = network;
      let largest = 0;
      network.apply = (x, options) => {
        largest = Math.max(largest, x.shape[0]!);
        return apply(x, options);
      };
      const image = new RandomStream(1).normal([1, 32, 32, 1]);
      const labels = tf.zeros([1, 32, 32], "int32");
      const joined: number[] = [];
      for (const memoryBudget of [4e5, 8e5, 1.6e6]) {
        largest = 0;
        const context = createStepContext(
          method,
          { labeled: { image, labels, ids: ["a"] }, unlabeled: null },
          { step: 0, maxSteps: 10, random: new RandomStream(2) },
        );
        const peak = peakBytes(() => reliableTeacherVoxels(context, "all", image, { noiseStd: 0.1, memoryBudget }));
        expect(peak, `${memoryBudget}`).toBeLessThanOrEqual(memoryBudget);
        joined.push(largest);
        context.dispose();
      }
      expect(joined[2]).toBeGreaterThan(joined[0]!);
      method.dispose();
    }
  });
});
